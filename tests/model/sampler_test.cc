#include "model/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "model/sampler_softmax.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> LogitsOf(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)) + 3.0f);
  return logits;
}

// How often each token comes in `n` draws.
std::map<TokenId, int> Draw(const SamplingOptions& options, const std::vector<float>& logits, int n) {
  Sampler sampler(options, 0);
  std::map<TokenId, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.Sample(logits, {})];
  return counts;
}

std::vector<TokenId> Keys(const std::map<TokenId, int>& counts) {
  std::vector<TokenId> keys;
  for (const auto& [token, count] : counts) keys.push_back(token);
  return keys;
}

using Tokens = std::vector<TokenId>;

TEST(Sampler, TemperatureZeroTakesTheMostProbableTokenAndTheLowestIdOfEqualOnes) {
  Sampler sampler({}, 0);
  EXPECT_EQ(sampler.Sample(std::vector<float>{1, 5, 2, 5}, {}), 1);
  EXPECT_EQ(sampler.Sample(std::vector<float>{-kInfinity, -8, -9}, {}), 1);
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  const std::vector<double> probabilities{0.5, 0.25, 0.15, 0.1};
  const int n = 20000;
  const auto counts = Draw({.temperature = 1, .seed = 7}, LogitsOf(probabilities), n);
  double chi_squared = 0;
  for (int token = 0; token < 4; ++token) {
    const double expected = probabilities[token] * n;
    chi_squared += std::pow(counts.at(token) - expected, 2) / expected;
  }
  EXPECT_LT(chi_squared, 16.3);  // three degrees of freedom, p = 0.001
}

TEST(Sampler, TemperatureSharpensTheDistribution) {
  // At temperature 0.5 the odds are squared: 4:1 become 16:1.
  const auto counts = Draw({.temperature = 0.5f, .seed = 1}, LogitsOf({0.8, 0.2}), 17000);
  EXPECT_NEAR(counts.at(1), 1000, 130);
}

TEST(Sampler, TinyTemperaturesAreGreedyNotUndefined) {
  for (const float temperature : {1e-5f, 1e-20f, 1e-40f}) {
    EXPECT_EQ(Keys(Draw({.temperature = temperature}, {1, 1.01f, -kInfinity}, 50)), Tokens({1})) << temperature;
  }
}

TEST(Sampler, TopKKeepsTheMostProbableTokens) {
  const auto logits = LogitsOf({0.1, 0.4, 0.2, 0.3});
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_k = 2}, logits, 500)), Tokens({1, 3}));
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_k = 1}, logits, 50)), Tokens({1}));
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_k = 100}, logits, 500)), Tokens({0, 1, 2, 3}));
}

TEST(Sampler, TopKKeepsTheLowestIdsOfEqualTokens) {
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_k = 3}, {0, 1, 0, 0, 0}, 500)), Tokens({0, 1, 2}));
}

TEST(Sampler, TopPKeepsTheFewestTokensThatReachTheMass) {
  const auto logits = LogitsOf({0.1, 0.4, 0.2, 0.3});
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_p = 0.35f}, logits, 500)), Tokens({1}));
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_p = 0.65f}, logits, 500)), Tokens({1, 3}));
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_p = 0.85f}, logits, 500)), Tokens({1, 2, 3}));
}

TEST(Sampler, TopPFindsItsTokensWhereManyAreNeeded) {
  const std::vector<float> uniform(5000, 0.5f);
  const auto counts = Draw({.temperature = 1, .top_p = 0.5f}, uniform, 500);
  EXPECT_LT(Keys(counts).back(), 2500);
  EXPECT_GT(Keys(counts).back(), 2400);
}

TEST(Sampler, TopPTakesItsShareOfWhatTopKKept) {
  // Of 0.4 and 0.3, rescaled to 0.57 and 0.43, the first alone reaches half.
  const auto logits = LogitsOf({0.1, 0.4, 0.2, 0.3});
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_k = 2, .top_p = 0.5f}, logits, 500)), Tokens({1}));
}

TEST(Sampler, MinPKeepsTokensNearTheBest) {
  const auto logits = LogitsOf({0.1, 0.4, 0.2, 0.3});
  EXPECT_EQ(Keys(Draw({.temperature = 1, .min_p = 0.6f}, logits, 500)), Tokens({1, 3}));
  EXPECT_EQ(Keys(Draw({.temperature = 1, .top_p = 0.99f, .min_p = 0.6f}, logits, 500)), Tokens({1, 3}));
  EXPECT_EQ(Keys(Draw({.temperature = 1, .min_p = 1}, logits, 50)), Tokens({1}));
}

TEST(Sampler, RepetitionPenaltyLowersRecentTokensOfEitherSignOnce) {
  Sampler sampler({.repetition_penalty = 2}, 0);
  EXPECT_EQ(sampler.Sample(std::vector<float>{5, 3}, Tokens{0, 0, 0}), 1);
  EXPECT_EQ(sampler.Sample(std::vector<float>{7, 3}, Tokens{0, 0, 0}), 0);  // 3.5, not 7/8
  EXPECT_EQ(sampler.Sample(std::vector<float>{-2, -3}, Tokens{0}), 1);
}

TEST(Sampler, RepetitionWindowSaysWhatIsRecent) {
  const std::vector<float> logits{5, 3, 0};
  const Tokens context{0, 2, 2};
  EXPECT_EQ(Sampler({.repetition_penalty = 2, .repetition_window = 2}, 0).Sample(logits, context), 0);
  EXPECT_EQ(Sampler({.repetition_penalty = 2, .repetition_window = 3}, 0).Sample(logits, context), 1);
  EXPECT_EQ(Sampler({.repetition_penalty = 2, .repetition_window = -1}, 0).Sample(logits, context), 1);
  EXPECT_EQ(Sampler({.repetition_penalty = 2, .repetition_window = 0}, 0).Sample(logits, context), 0);
}

TEST(Sampler, SeedAndSequenceDecideTheChoices) {
  std::vector<float> logits(1000);
  std::iota(logits.begin(), logits.end(), 0.0f);
  for (float& logit : logits) logit = std::sin(logit);
  const auto draw = [&](uint64_t seed, uint64_t sequence) {
    Sampler sampler({.temperature = 1, .seed = seed}, sequence);
    Tokens tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back(sampler.Sample(logits, {}));
    return tokens;
  };
  EXPECT_EQ(draw(1, 0), draw(1, 0));
  EXPECT_NE(draw(1, 0), draw(2, 0));
  EXPECT_NE(draw(1, 0), draw(1, 1));
}

// The choices are part of what a seed promises: these were computed by tests/golden/make_sampler_golden.py.
TEST(Sampler, ChoicesOfASeedStayTheSame) {
  std::vector<float> logits(100);
  for (int i = 0; i < 100; ++i) logits[i] = static_cast<float>((i * 37) % 100) / 16.0f;
  Sampler all({.temperature = 1, .seed = 42}, 3),
      top({.temperature = 0.75f, .top_k = 20, .top_p = 0.9f, .seed = 42}, 3);
  Tokens from_all, from_top;
  for (int i = 0; i < 10; ++i) from_all.push_back(all.Sample(logits, {}));
  for (int i = 0; i < 10; ++i) from_top.push_back(top.Sample(logits, {}));
  EXPECT_EQ(from_all, Tokens({45, 94, 13, 16, 81, 56, 43, 5, 24, 16}));
  EXPECT_EQ(from_top, Tokens({62, 5, 54, 54, 97, 89, 35, 27, 81, 54}));
}

TEST(Sampler, DamagedLogitsAreAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float temperature : {0.0f, 1.0f}) {
    for (const std::vector<float>& logits :
         {std::vector<float>{1, nan, 2}, {nan, 1, 2}, {1, kInfinity}, {-kInfinity, -kInfinity}}) {
      Sampler sampler({.temperature = temperature}, 0);
      EXPECT_ERROR(sampler.Sample(logits, {}), ErrorCode::kCorruption, "not finite");
    }
  }
}

TEST(SamplingOptions, NamesTheOptionThatCannotBe) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto expect = [](const SamplingOptions& options, const char* text) {
    EXPECT_ERROR(options.Validate(), ErrorCode::kInvalidArgument, text);
  };
  expect({.temperature = -1}, "temperature is -1");
  expect({.temperature = nan}, "temperature is nan");
  expect({.top_k = -5}, "top_k is -5");
  expect({.top_p = 0}, "top_p is 0");
  expect({.top_p = 1.5f}, "top_p is 1.5");
  expect({.min_p = -0.5f}, "min_p is -0.5");
  expect({.repetition_penalty = 0}, "repetition_penalty is 0");
  expect({.repetition_window = -2}, "repetition_window is -2");
  EXPECT_NO_THROW(SamplingOptions{}.Validate());
}

TEST(Softmax, AgreesWithDoublePrecision) {
  for (const size_t size : {1u, 7u, 16u, 2049u, 49152u}) {
    std::vector<float> logits(size);
    for (size_t i = 0; i < size; ++i) logits[i] = 25.0f * std::sin(static_cast<float>(i) * 0.7f) - 3.0f;
    double total = 0;
    const double best = *std::max_element(logits.begin(), logits.end());
    for (const float logit : logits) total += std::exp(logit - best);
    EXPECT_NEAR(LogSumExp(logits), best + std::log(total), 1e-6) << size;

    std::vector<float> weights(size);
    EXPECT_NEAR(SoftmaxWeights(logits, 2.0f, weights) / std::accumulate(weights.begin(), weights.end(), 0.0), 1, 1e-5);
    for (size_t i = 0; i < size; ++i) {
      const double expected = std::exp((logits[i] - best) / 2.0);
      ASSERT_NEAR(weights[i], expected, 2e-6 * expected + 1e-37) << i;
    }
  }
}

TEST(Softmax, ImpossibleTokensHaveNoWeight) {
  std::array<float, 3> weights;
  EXPECT_FLOAT_EQ(SoftmaxWeights(std::vector<float>{-kInfinity, 1, -400}, 1, weights), 1);
  EXPECT_EQ(weights, (std::array<float, 3>{0, 1, 0}));
}

}  // namespace
}  // namespace retro
