// The real SmolLM2 file against the reference's log-probabilities and greedy text of the same file's weights
// (tests/golden/make_smollm2_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

constexpr double kNats = 0.02;

struct Expected {
  std::vector<TokenId> tokens;
  std::vector<double> log_probs;  // of every token after the first
  std::vector<TokenId> top_tokens;
  std::vector<double> top_log_probs;
  std::vector<TokenId> greedy;
};

std::vector<Expected> ReadExpected() {
  std::vector<Expected> all;
  for (const auto& json : nlohmann::json::parse(ReadFile(GoldenFolder("smollm2") / "expected.json"))) {
    all.push_back({json["tokens"], json["log_probs"], json["top_tokens"], json["top_log_probs"], json["greedy"]});
  }
  return all;
}

class SmolLm2 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    pool_ = std::make_unique<ThreadPool>(2);
    decoder_ = LoadDecoder(
        std::filesystem::path(RETRO_DEPS_DIR) / "models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf", *pool_);
  }
  static void TearDownTestSuite() {
    decoder_.reset();
    pool_.reset();
  }

  static double LogProb(std::span<const float> logits, TokenId token) {
    const double highest = std::ranges::max(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - highest);
    return logits[token] - highest - std::log(sum);
  }

  static inline std::unique_ptr<ThreadPool> pool_;
  static inline std::unique_ptr<Decoder> decoder_;
};

TEST_F(SmolLm2, LogProbabilitiesAreThoseOfTheReference) {
  const size_t vocab = decoder_->config().vocab_size;
  std::vector<float> logits;
  for (const Expected& expected : ReadExpected()) {
    const auto cache = decoder_->NewCache(1, 256);
    const SequenceInput input{0, expected.tokens};
    decoder_->Forward(*cache, {&input, 1}, LogitsFor::kAllTokens, logits, *pool_);
    for (size_t i = 0; i + 1 < expected.tokens.size(); ++i) {
      const auto row = std::span(logits).subspan(i * vocab, vocab);
      EXPECT_NEAR(LogProb(row, expected.tokens[i + 1]), expected.log_probs[i], kNats) << "token " << i;
    }
    for (size_t i = 0; i < expected.top_tokens.size(); ++i) {
      EXPECT_NEAR(LogProb(std::span(logits).last(vocab), expected.top_tokens[i]), expected.top_log_probs[i], kNats);
    }
  }
}

// All prompts of unequal lengths in one batch, one token a step each.
TEST_F(SmolLm2, GreedyTextIsThatOfTheReference) {
  const auto all = ReadExpected();
  const size_t vocab = decoder_->config().vocab_size;
  const auto cache = decoder_->NewCache(static_cast<int>(all.size()), 256);
  std::vector<SequenceInput> inputs;
  for (size_t i = 0; i < all.size(); ++i) inputs.push_back({static_cast<int>(i), all[i].tokens});
  std::vector<std::vector<TokenId>> chosen(all.size());
  std::vector<float> logits;
  for (size_t step = 0; step < all[0].greedy.size(); ++step) {
    decoder_->Forward(*cache, inputs, LogitsFor::kLastToken, logits, *pool_);
    for (size_t i = 0; i < all.size(); ++i) {
      const auto row = std::span(logits).subspan(i * vocab, vocab);
      chosen[i].push_back(static_cast<TokenId>(std::ranges::max_element(row) - row.begin()));
      inputs[i].tokens = std::span(chosen[i]).last(1);
    }
  }
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(chosen[i], all[i].greedy) << "prompt " << i;
}

TEST_F(SmolLm2, WeightsKeepTheirFewBits) {
  EXPECT_EQ(decoder_->num_parameters(), 134515008u);
  EXPECT_LT(decoder_->weight_bytes(), 135'000'000u);
}

}  // namespace
}  // namespace retro
