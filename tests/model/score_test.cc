#include "model/score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "model/sampler_softmax.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/toy_language_model.h"

namespace retro {
namespace {

// What ScoreTokens must give when each token sees exactly [begin, i).
float Expected(std::span<const TokenId> tokens, size_t begin, size_t i) {
  const std::vector<float> logits = ToyDecoder::Noise(tokens.subspan(begin, i - begin));
  return static_cast<float>(logits[tokens[i]] - LogSumExp(logits));
}

std::vector<TokenId> SomeTokens(size_t count) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>((i * i * 7 + 3) % 250));
  return tokens;
}

TEST(ScoreTokens, GivesTheLogProbabilityOfEveryTokenButTheFirst) {
  const ToyDecoder decoder(1000, ToyDecoder::Noise);
  ThreadPool pool(2);
  const auto tokens = SomeTokens(700);  // more than one pass
  const TokenScores scores = ScoreTokens(decoder, tokens, {}, pool);
  ASSERT_EQ(scores.log_probs.size(), tokens.size());
  EXPECT_TRUE(std::isnan(scores.log_probs[0]));
  double sum = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    ASSERT_NEAR(scores.log_probs[i], Expected(tokens, 0, i), 1e-5) << i;
    sum += scores.log_probs[i];
  }
  EXPECT_EQ(scores.num_windows, 1);
  EXPECT_NEAR(scores.Sum(), sum, 1e-3);
  EXPECT_NEAR(scores.Perplexity(), std::exp(-sum / 699), 1e-3);
}

TEST(ScoreTokens, ALongTextIsSeenInWindowsThatOverlap) {
  const ToyDecoder decoder(50, ToyDecoder::Noise);
  ThreadPool pool(2);
  const auto tokens = SomeTokens(35);
  // Windows [0, 10), [6, 16), [12, 22), [18, 28), [24, 34), [30, 35).
  const TokenScores scores = ScoreTokens(decoder, tokens, {.window_len = 10, .min_context = 4}, pool);
  EXPECT_EQ(scores.num_windows, 6);
  for (size_t i = 1; i < tokens.size(); ++i) {
    const size_t begin = i < 10 ? 0 : (i - 10) / 6 * 6 + 6;
    EXPECT_NEAR(scores.log_probs[i], Expected(tokens, begin, i), 1e-5) << i;
  }
}

TEST(ScoreTokens, ChunksBeginWithTheWindow) {
  ToyDecoder decoder(50, ToyDecoder::Noise);
  decoder.TakeNeighbours(3);
  ThreadPool pool(1);
  const auto tokens = SomeTokens(18);
  std::vector<std::vector<int64_t>> calls;
  const auto retrieve = [&](std::span<const RetrievalQuery> queries) {
    calls.emplace_back();
    std::vector<ChunkNeighbours> results;
    for (const RetrievalQuery& query : queries) {
      EXPECT_EQ(query.sequence, 0u);
      EXPECT_TRUE(std::ranges::equal(query.chunk, std::span(tokens).subspan(query.end - 3, 3)));
      calls.back().push_back(query.end);
      results.push_back({{static_cast<TokenId>(query.end)}});
    }
    return results;
  };
  // Windows [0, 10), [6, 16) and [12, 18); the last token of each does not go through the decoder.
  ScoreTokens(decoder, tokens, {.window_len = 10, .min_context = 4, .retrieve = retrieve}, pool);
  EXPECT_EQ(calls, (std::vector<std::vector<int64_t>>{{3, 6, 9}, {9, 12, 15}, {15}}));
  EXPECT_EQ(decoder.given[0].at(3), ChunkNeighbours({{15}}));
  EXPECT_EQ(decoder.given[0].at(6), ChunkNeighbours({{12}}));
}

TEST(ScoreTokens, NeighboursNeedADecoderThatTakesThem) {
  const ToyDecoder decoder(50, ToyDecoder::Noise);
  ThreadPool pool(1);
  const auto retrieve = [](std::span<const RetrievalQuery> queries) {
    return std::vector<ChunkNeighbours>(queries.size());
  };
  EXPECT_ERROR(ScoreTokens(decoder, SomeTokens(5), {.retrieve = retrieve}, pool), ErrorCode::kInvalidArgument,
               "give a RETRO model");
}

TEST(ScoreTokens, TheWindowIsTheDecodersContextUnlessGiven) {
  const ToyDecoder decoder(8, ToyDecoder::Noise);
  ThreadPool pool(1);
  const auto tokens = SomeTokens(12);
  const TokenScores scores = ScoreTokens(decoder, tokens, {}, pool);
  EXPECT_EQ(scores.num_windows, 2);  // [0, 8), [4, 12)
  EXPECT_NEAR(scores.log_probs[8], Expected(tokens, 4, 8), 1e-5);
}

TEST(ScoreTokens, SaysWhichTokensWereTheMostProbable) {
  const auto decoder = ToyDecoder::Writing("yes");
  ThreadPool pool(1);
  const std::vector<TokenId> tokens{'>', 'y', 'e', 't'};
  EXPECT_EQ(ScoreTokens(decoder, tokens, {}, pool).is_greedy, std::vector<bool>({false, true, true, false}));
}

TEST(ScoreTokens, OneTokenHasNothingBeforeIt) {
  const auto decoder = ToyDecoder::Writing("yes");
  ThreadPool pool(1);
  const TokenScores scores = ScoreTokens(decoder, std::vector<TokenId>{5}, {}, pool);
  EXPECT_EQ(scores.log_probs.size(), 1u);
  EXPECT_EQ(scores.Sum(), 0);
  EXPECT_TRUE(std::isnan(scores.Perplexity()));
}

TEST(ScoreTokens, RefusesWhatCannotBe) {
  const auto decoder = ToyDecoder::Writing("yes");
  ThreadPool pool(1);
  const auto expect = [&](std::vector<TokenId> tokens, ScoreOptions options, const char* text) {
    EXPECT_ERROR(ScoreTokens(decoder, tokens, options, pool), ErrorCode::kInvalidArgument, text);
  };
  expect({}, {}, "no tokens");
  expect({1, 259}, {}, "token 259 at place 1");
  expect({1, -1}, {}, "token -1 at place 1");
  expect({1}, {.window_len = 1001}, "window_len is 1001");
  expect({1}, {.window_len = 1}, "window_len is 1");
  expect({1}, {.window_len = 10, .min_context = 10}, "min_context is 10");
  expect({1}, {.min_context = -1}, "min_context is -1");
}

TEST(ScoreTokens, AnInterruptStopsIt) {
  const auto decoder = ToyDecoder::Writing("yes");
  ThreadPool pool(1);
  SetInterrupted(true);
  EXPECT_ERROR(ScoreTokens(decoder, SomeTokens(5), {}, pool), ErrorCode::kUnavailable, "");
  SetInterrupted(false);
}

}  // namespace
}  // namespace retro
