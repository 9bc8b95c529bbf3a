#include "evaluation/lm_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "evaluation/lm_summary.h"
#include "tests/evaluation/lm_testing.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

constexpr uint32_t kChunkLen = 4;

// The token before comes again with probability 1/2; each of the 256 others has an equal share of the rest: 1 bit or 9.
class RepeatingDecoder final : public Decoder {
 public:
  struct Cache final : KvCache {
    explicit Cache(int64_t most) : capacity_(most) {}
    int num_sequences() const override { return 1; }
    int64_t length(int) const override { return length_; }
    int64_t capacity() const override { return capacity_; }
    void Truncate(int, int64_t length) override { length_ = length; }
    int64_t capacity_, length_ = 0;
  };

  explicit RepeatingDecoder(int64_t context_len) {
    config_.vocab_size = 257;
    config_.context_len = context_len;
  }
  const DecoderConfig& config() const override { return config_; }
  uint64_t num_parameters() const override { return 0; }
  uint64_t weight_bytes() const override { return 0; }
  std::unique_ptr<KvCache> NewCache(int, int64_t capacity) const override { return std::make_unique<Cache>(capacity); }
  void Forward(KvCache& cache, std::span<const SequenceInput> inputs, LogitsFor which, std::vector<float>& logits,
               ThreadPool&) const override {
    static_cast<Cache&>(cache).length_ += static_cast<int64_t>(inputs[0].tokens.size());
    logits.clear();
    if (which == LogitsFor::kNone) return;
    for (const TokenId token : inputs[0].tokens) {
      const size_t row = logits.size();
      logits.resize(row + 257, 0.0f);
      logits[row + static_cast<size_t>(token)] = std::log(256.0f);
    }
  }

 private:
  DecoderConfig config_;
};

const LmArmRun kOff{{.name = "off"}, {}};

LmEvaluation ScoreByDecoder(const std::vector<LmDocument>& documents, int64_t window_len, int64_t stride) {
  const RepeatingDecoder decoder(1000);
  ThreadPool pool(1);
  const LmScoreFunction score = [&](std::span<const TokenId> tokens, const RetrieveFunction&) {
    return ScoreTokens(decoder, tokens, {.window_len = window_len, .min_context = window_len - stride}, pool);
  };
  return EvaluateLm(documents, kChunkLen, {&kOff, 1}, score, {});
}

TEST(EvaluateLm, BitsPerByteAreThoseComputedByHand) {
  // a 9, a 1, b 9, b 1 | b 1: 21 bits in 5 bytes; then 9 bits in 1 byte.
  const LmEvaluation evaluation =
      ScoreByDecoder({MakeLmDocument("one", "aabbb", kChunkLen), MakeLmDocument("two", "c", kChunkLen)}, 100, 50);
  const LmSums sums = SumScores(evaluation, 0);
  EXPECT_EQ(sums.tokens, 6u);
  EXPECT_EQ(sums.bytes, 6u);
  EXPECT_EQ(sums.words, 2u);
  EXPECT_EQ(sums.documents, 2u);
  EXPECT_NEAR(sums.BitsPerByte(), 30.0 / 6, 1e-6);
  EXPECT_NEAR(sums.BytePerplexity(), 32, 1e-4);
  EXPECT_NEAR(sums.WordPerplexity(), std::exp2(15), 0.1);
  EXPECT_NEAR(sums.TokenPerplexity(), 32, 1e-4);
  // Chunks hold the prefix: [<s> a a b] [b b], of 19 and 2 bits.
  EXPECT_NEAR(evaluation.arms[0].documents[0].nats[0], 19 * std::numbers::ln2, 1e-5);
  EXPECT_NEAR(evaluation.arms[0].documents[0].nats[1], 2 * std::numbers::ln2, 1e-5);
  EXPECT_EQ(evaluation.arms[0].documents[0].num_greedy, 3u);
}

TEST(EvaluateLm, EveryTokenCountsOnceWhateverTheWindow) {
  std::string text;
  for (int i = 0; i < 301; ++i) text += static_cast<char>('a' + (i * i / 7) % 5);
  const LmDocument document = MakeLmDocument("x", text, kChunkLen);
  const LmEvaluation whole = ScoreByDecoder({document}, 1000, 500);
  for (const auto& [window, stride] : std::vector<std::pair<int64_t, int64_t>>{{16, 8}, {20, 4}, {64, 60}, {302, 4}}) {
    const LmEvaluation windows = ScoreByDecoder({document}, window, stride);
    for (size_t u = 0; u < document.num_chunks(); ++u) {
      ASSERT_NEAR(windows.arms[0].documents[0].nats[u], whole.arms[0].documents[0].nats[u], 1e-5) << window << ' ' << u;
    }
    const int64_t expected = 1 + (302 - window + stride - 1) / stride;
    EXPECT_EQ(windows.arms[0].documents[0].num_windows, expected) << window;
  }
}

// Asks for the neighbours of every whole chunk; a token has 1 nat if it is among those of the chunk before, else 2.
TokenScores ScoreByNeighbours(std::span<const TokenId> tokens, const RetrieveFunction& retrieve) {
  TokenScores scores;
  scores.log_probs.assign(tokens.size(), -2.0f);
  scores.is_greedy.assign(tokens.size(), false);
  for (size_t end = kChunkLen; retrieve && end <= tokens.size(); end += kChunkLen) {
    const RetrievalQuery query{0, static_cast<int64_t>(end), tokens.subspan(end - kChunkLen, kChunkLen)};
    const ChunkNeighbours neighbours = retrieve({&query, 1}).at(0);
    for (size_t i = end; i < std::min(end + kChunkLen, tokens.size()); ++i) {
      for (const auto& neighbour : neighbours) {
        if (std::ranges::find(neighbour, tokens[i]) != neighbour.end()) scores.log_probs[i] = -1;
      }
    }
  }
  return scores;
}

// The database's chunk c holds the one token c.
ChunkNeighbours OneToken(std::span<const ChunkId> ids) {
  ChunkNeighbours neighbours;
  for (const ChunkId id : ids) neighbours.push_back({static_cast<TokenId>(id.value)});
  return neighbours;
}

LmArmRun OnArm(std::string name, LmArmNeighbours neighbours) {
  return {{.name = std::move(name), .kind = LmArmKind::kOn, .k = 1}, std::move(neighbours)};
}

TEST(EvaluateLm, EachArmGetsItsOwnNeighboursForTheChunksTheyWereChosenFor) {
  const std::vector<LmDocument> documents = {MakeLmDocument("x", "abcdefghi", kChunkLen),  // [.abc] [defg] [hi]
                                             MakeLmDocument("y", "abcde", kChunkLen)};
  const std::vector<LmArmRun> runs = {kOff, OnArm("on", {{{{'d'}}, {{'h'}, {'i'}}, {}}, {{}, {}}}),
                                      OnArm("wrong", {{{{'h'}}, {{'d'}}, {}}, {{{'e'}}, {}}})};
  uint64_t told = 0;
  const LmEvaluation evaluation =
      EvaluateLm(documents, kChunkLen, runs, ScoreByNeighbours, OneToken, [&](uint64_t count) { told += count; });
  EXPECT_EQ(evaluation.arms[0].documents[0].nats, (std::vector<double>{6, 8, 4}));
  EXPECT_EQ(evaluation.arms[1].documents[0].nats, (std::vector<double>{6, 7, 2}));
  EXPECT_EQ(evaluation.arms[1].documents[1].nats, (std::vector<double>{6, 4}));
  EXPECT_EQ(evaluation.arms[2].documents[0].nats, (std::vector<double>{6, 8, 4}));
  EXPECT_EQ(evaluation.arms[2].documents[1].nats, (std::vector<double>{6, 3}));
  EXPECT_EQ(evaluation.arms[0].documents[0].num_queries, 0u);
  EXPECT_EQ(evaluation.arms[1].documents[0].num_queries, 2u);
  EXPECT_EQ(evaluation.arms[1].documents[0].num_neighbours, 3u);
  EXPECT_EQ(told, 3u * (9 + 5));
}

TEST(EvaluateLm, ADecoderThatAlignsItsChunksOtherwiseIsFoundOut) {
  const auto documents = std::vector{MakeLmDocument("x", "abcdefghi", kChunkLen)};
  const std::vector<LmArmRun> runs = {OnArm("on", {{{}, {}, {}}})};
  const auto ask = [&](int64_t end, size_t begin) {
    const LmScoreFunction score = [&](std::span<const TokenId> tokens, const RetrieveFunction& retrieve) {
      const RetrievalQuery query{0, end, tokens.subspan(begin, kChunkLen)};
      retrieve({&query, 1});
      return ScoreByNeighbours(tokens, {});
    };
    EvaluateLm(documents, kChunkLen, runs, score, OneToken);
  };
  ask(8, 4);
  EXPECT_ERROR(ask(6, 2), ErrorCode::kInternal, "ends at token 6");
  EXPECT_ERROR(ask(4, 4), ErrorCode::kInternal, "ends at token 4");
  EXPECT_ERROR(ask(0, 0), ErrorCode::kInternal, "ends at token 0");
  EXPECT_ERROR(ask(12, 4), ErrorCode::kInternal, "ends at token 12");
}

TEST(EvaluateLm, ProbabilitiesThatAreNoNumbersAreRefused) {
  const auto documents = std::vector{MakeLmDocument("x", "abc", kChunkLen)};
  const LmScoreFunction score = [](std::span<const TokenId> tokens, const RetrieveFunction&) {
    TokenScores scores = ScoreByNeighbours(tokens, {});
    scores.log_probs[2] = std::numeric_limits<float>::quiet_NaN();
    return scores;
  };
  EXPECT_ERROR(EvaluateLm(documents, kChunkLen, {&kOff, 1}, score, OneToken), ErrorCode::kCorruption,
               "token 2 of document x");
}

TEST(EvaluateLm, WhenInterruptedTheDocumentsThatEveryArmScoredAreTheResult) {
  const std::vector<LmDocument> documents(3, MakeLmDocument("x", "abc", kChunkLen));
  const std::vector<LmArmRun> runs = {kOff, OnArm("on", LmArmNeighbours(3, {{}}))};
  const auto run = [&](int calls_before) {
    const LmScoreFunction score = [&](std::span<const TokenId> tokens, const RetrieveFunction&) {
      if (calls_before-- == 0) SetInterrupted(true);
      ThrowIfInterrupted();
      return ScoreByNeighbours(tokens, {});
    };
    return EvaluateLm(documents, kChunkLen, runs, score, OneToken);
  };
  const LmEvaluation evaluation = run(3);
  SetInterrupted(false);
  EXPECT_TRUE(evaluation.interrupted);
  EXPECT_EQ(evaluation.documents.size(), 1u);
  EXPECT_EQ(evaluation.arms[0].documents.size(), 1u);
  EXPECT_EQ(evaluation.arms[1].documents.size(), 1u);
  EXPECT_ERROR(run(1), ErrorCode::kUnavailable, "");
  SetInterrupted(false);
}

class CountingSource final : public ChunkSource {
 public:
  uint64_t num_chunks() const override { return 2; }
  uint32_t chunk_len() const override { return 3; }
  void GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out, std::span<uint32_t> lengths) const override {
    for (size_t i = 0; i < ids.size(); ++i) {
      lengths[i] = ids[i].value == 0 ? 6 : 2;  // the second one's document ends
      for (uint32_t j = 0; j < lengths[i]; ++j) out[i * 6 + j] = static_cast<TokenId>(10 * ids[i].value + j);
    }
  }
};

TEST(NeighbourTokensOf, AreAtMostAsLongAsTheModelWants) {
  const CountingSource source;
  const std::vector<ChunkId> ids = {{1}, {0}};
  EXPECT_EQ(NeighbourTokensOf(source, 6)(ids), (ChunkNeighbours{{10, 11}, {0, 1, 2, 3, 4, 5}}));
  EXPECT_EQ(NeighbourTokensOf(source, 4)(ids), (ChunkNeighbours{{10, 11}, {0, 1, 2, 3}}));
}

TEST(ChooseWindow, IsThePapersOrTheDecodersContext) {
  const auto choose = [](int64_t window, int64_t stride, int64_t context) {
    const LmWindow chosen = ChooseWindow(window, stride, context, 64, true);
    return std::pair(chosen.window_len, chosen.stride);
  };
  EXPECT_EQ(choose(0, 0, 8192), std::pair(int64_t{2048}, int64_t{1024}));
  EXPECT_EQ(choose(0, 0, 512), std::pair(int64_t{512}, int64_t{256}));
  EXPECT_EQ(choose(0, 0, 200), std::pair(int64_t{200}, int64_t{64}));
  EXPECT_EQ(choose(1024, 192, 8192), std::pair(int64_t{1024}, int64_t{192}));
  EXPECT_ERROR(choose(0, 0, 100), ErrorCode::kInvalidArgument, "multiple of the 64 tokens");
  EXPECT_ERROR(choose(1024, 100, 8192), ErrorCode::kInvalidArgument, "multiple of the 64 tokens");
  EXPECT_ERROR(choose(1024, 1024, 8192), ErrorCode::kInvalidArgument, "stride is 1024");
  EXPECT_ERROR(choose(1024, -1, 8192), ErrorCode::kInvalidArgument, "stride is -1");
  EXPECT_ERROR(choose(1024, 0, 512), ErrorCode::kInvalidArgument, "window is 1024");
  EXPECT_EQ(ChooseWindow(100, 37, 100, 64, false).stride, 37);
}

}  // namespace
}  // namespace retro
