// Hundreds of requests together on real networks: each gets what it gets alone, to the last bit.
#include <gtest/gtest.h>

#include <random>

#include "core/thread_pool.h"
#include "model/score.h"
#include "tests/service/engine_testing.h"
#include "tests/testing/golden.h"
#include "tests/testing/retro_checkpoint.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/toy_language_model.h"

namespace retro {
namespace {

struct Case {
  const char* base;
  WeightPrecision precision;
  bool retro;
  const char* adapter = nullptr;  // which half of the requests want
};

class EngineBatch : public testing::TestWithParam<Case> {
 protected:
  EngineBatch() {
    std::filesystem::path model = GoldenFolder(GetParam().base);
    if (GetParam().retro) {
      WriteRetroCheckpoint(model, folder_.path(), SmallRetroConfig());
      model = folder_.path();
    }
    base_ = decoder_ = LoadDecoder(model, pool_, GetParam().precision);
    if (GetParam().adapter != nullptr) {
      decoder_ = LoadDecoder(model, pool_, GetParam().precision, GoldenFolder("lora") / GetParam().adapter);
    }
    for (auto& prefix : prefixes_) prefix = Tokens(17 + random_() % 8);
  }

  std::vector<TokenId> Tokens(size_t count) {
    std::vector<TokenId> tokens(count);
    for (TokenId& token : tokens) token = static_cast<TokenId>(random_() % decoder_->config().vocab_size);
    return tokens;
  }

  // Neighbours that follow from the chunk.
  RetrieveFunction Neighbours() const {
    return [vocab = decoder_->config().vocab_size](std::span<const RetrievalQuery> queries) {
      std::vector<ChunkNeighbours> results;
      for (const RetrievalQuery& query : queries) {
        std::mt19937 random(static_cast<uint32_t>(query.end * 100 + query.chunk.back()));
        ChunkNeighbours& neighbours = results.emplace_back(random() % 3);
        for (auto& neighbour : neighbours) {
          neighbour.resize(random() % 14);
          for (TokenId& token : neighbour) token = static_cast<TokenId>(random() % vocab);
        }
      }
      return results;
    };
  }

  EngineRequest RandomRequest() {
    EngineRequest request;
    if (random_() % 2 == 0) request.prompt = prefixes_[random_() % 3];
    const auto rest = Tokens(1 + random_() % 20);
    request.prompt.insert(request.prompt.end(), rest.begin(), rest.end());
    request.max_new_tokens = 1 + static_cast<int64_t>(random_() % 20);
    if (random_() % 2 == 0) request.stop_tokens = {static_cast<TokenId>(random_() % 40)};
    if (random_() % 3 == 0) request.stop_strings = {std::string(1, static_cast<char>(1 + random_() % 40))};
    if (random_() % 2 == 0) request.sampling = {.temperature = 0.9f, .top_k = 20, .seed = random_()};
    if (random_() % 3 == 0) request.sampling.repetition_penalty = 1.2f;
    request.top_log_probs = static_cast<int>(random_() % 4);
    request.prompt_log_probs = random_() % 5 == 0;
    if (GetParam().adapter != nullptr) request.adapted = random_() % 2 == 0;
    if (GetParam().retro && random_() % 2 == 0) {
      request.retrieve = Neighbours();
      request.retrieval_step = static_cast<int64_t>(random_() % 9);
    }
    return request;
  }

  void ExpectAsAlone(const EngineRequest& request, const Told& told) {
    const Decoder& decoder = request.adapted ? *decoder_ : *base_;
    const Generation expected = Generate(decoder, *tokenizer_, std::vector<std::vector<TokenId>>{request.prompt},
                                         {.max_new_tokens = request.max_new_tokens,
                                          .stop_tokens = request.stop_tokens,
                                          .stop_strings = request.stop_strings,
                                          .sampling = request.sampling,
                                          .log_probs = true,
                                          .retrieve = request.retrieve,
                                          .retrieval_step = request.retrieval_step},
                                         pool_)
                                    .front();
    ASSERT_FALSE(told.error);
    EXPECT_EQ(told.tokens, expected.tokens);
    EXPECT_EQ(told.log_probs, expected.log_probs);
    EXPECT_EQ(told.text, expected.text);
    EXPECT_EQ(told.finish_reason, expected.finish_reason);
    if (request.prompt_log_probs && !request.retrieve) ExpectScores(decoder, request.prompt, told.prompt);
  }

  void ExpectScores(const Decoder& decoder, const std::vector<TokenId>& prompt, const std::vector<TokenLogProb>& told) {
    const TokenScores scores = ScoreTokens(decoder, prompt, {}, pool_);
    ASSERT_EQ(told.size(), prompt.size());
    for (size_t i = 1; i < prompt.size(); ++i) {
      EXPECT_EQ(told[i].token, prompt[i]);
      EXPECT_EQ(told[i].log_prob, scores.log_probs[i]);
      if (told[i].top.empty()) continue;
      EXPECT_EQ(told[i].top[0].second == told[i].log_prob, scores.is_greedy[i]);
    }
  }

  TempDir folder_;
  ThreadPool pool_{1};
  std::mt19937 random_{11};
  std::shared_ptr<const Decoder> decoder_, base_;  // base_: without the adapter
  std::shared_ptr<ToyTokenizer> tokenizer_ = std::make_shared<ToyTokenizer>();
  std::vector<TokenId> prefixes_[3];
};

TEST_P(EngineBatch, MixedRequestsGetWhatTheyGetAlone) {
  for (const EngineLimits& limits :
       {EngineLimits{.max_sequences = 16, .cache_tokens = 600, .prefill_slice = 13, .prefix_cache_tokens = 300},
        EngineLimits{.max_sequences = 5, .prefill_slice = 64, .prefix_cache_tokens = 0}}) {
    std::vector<EngineRequest> requests;
    std::vector<std::unique_ptr<Asked>> asked;
    std::vector<bool> cancelled;
    {
      Engine engine(decoder_, tokenizer_, limits, 3);
      for (int i = 0; i < 100; ++i) {
        requests.push_back(RandomRequest());
        asked.push_back(std::make_unique<Asked>(engine, requests.back()));
        cancelled.push_back(false);
        if (random_() % 8 != 0) continue;
        // One that has just come, or one that may be running.
        const size_t place = random_() % 2 == 0 ? i : i - std::min(i, 10);
        asked[place]->ticket().Cancel();
        cancelled[place] = true;
      }
      for (size_t i = 0; i < asked.size(); ++i) {
        if (!cancelled[i]) asked[i]->Wait();
      }
      const EngineStats stats = engine.Stats();
      EXPECT_EQ(stats.waiting, 0);
      EXPECT_GE(stats.prefix_hits, limits.prefix_cache_tokens > 0 ? 1u : 0u);
      EXPECT_LE(stats.prefix_tokens, limits.prefix_cache_tokens);
    }
    for (size_t i = 0; i < asked.size(); ++i) {
      SCOPED_TRACE("request " + std::to_string(i));
      if (!cancelled[i]) ExpectAsAlone(requests[i], asked[i]->Wait());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, EngineBatch,
                         testing::Values(Case{"gpt2", WeightPrecision::kAsStored, false},
                                         Case{"llama/gqa", WeightPrecision::kAsStored, false},
                                         Case{"llama/gqa", WeightPrecision::kInt8, false},
                                         Case{"llama/gqa", WeightPrecision::kAsStored, true},
                                         Case{"gpt2", WeightPrecision::kInt8, true},
                                         Case{"llama/gqa", WeightPrecision::kAsStored, false, "llama"},
                                         Case{"llama/gqa", WeightPrecision::kInt8, true, "llama"},
                                         Case{"gpt2", WeightPrecision::kAsStored, false, "gpt2"}),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

// Weights of 4 bits, heads that share keys, prompts beyond one block of attention, and the adapter that is shipped.
TEST(EngineSmolLm2, RequestsTogetherGetWhatTheyGetAlone) {
  ThreadPool pool(2);
  const auto model =
      std::filesystem::path(RETRO_DEPS_DIR) / "models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
  const auto adapter = std::filesystem::path(RETRO_SOURCE_DIR) / "models/grounded-answers-smollm2-135m";
  const auto base = LoadDecoder(model, pool);
  const std::shared_ptr<const Decoder> decoder = LoadDecoder(model, pool, WeightPrecision::kAsStored, adapter);
  const auto tokenizer = std::make_shared<ToyTokenizer>();
  Engine engine(decoder, tokenizer, {.prefill_slice = 50}, 2);
  std::mt19937 random(5);
  std::vector<EngineRequest> requests(7);
  std::vector<std::unique_ptr<Asked>> asked;
  for (size_t i = 0; i < requests.size(); ++i) {
    // Bytes, which the tokenizer of the test knows, though not by these names.
    for (size_t count = i < 2 ? 150 : 20 * i; count > 0; --count) {
      requests[i].prompt.push_back(static_cast<TokenId>(random() % 256));
    }
    if (i > 4) requests[i].prompt = requests[i - 1].prompt;
    requests[i].max_new_tokens = 6;
    requests[i].top_log_probs = 0;
    requests[i].adapted = i % 3 != 0;
    if (i % 2 == 0) requests[i].sampling = {.temperature = 1, .top_k = 40, .seed = i};
    asked.push_back(std::make_unique<Asked>(engine, requests[i]));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const EngineRequest& request = requests[i];
    const Decoder& alone = request.adapted ? *decoder : *base;
    const Generation expected = Generate(alone, *tokenizer, std::vector<std::vector<TokenId>>{request.prompt},
                                         {.max_new_tokens = 6, .sampling = request.sampling, .log_probs = true}, pool)
                                    .front();
    EXPECT_EQ(asked[i]->Wait().tokens, expected.tokens);
    EXPECT_EQ(asked[i]->Wait().log_probs, expected.log_probs);
  }
}

}  // namespace
}  // namespace retro
