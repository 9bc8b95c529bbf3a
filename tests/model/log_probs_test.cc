#include "model/log_probs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace retro {
namespace {

TEST(RowLogProbs, AreLogarithmsOfProbabilitiesThatAddUpToOne) {
  const std::vector<float> logits = {1, -2, 0.5f, 7, -30};
  const RowLogProbs log_probs(logits);
  double sum = 0;
  for (TokenId token = 0; token < 5; ++token) sum += std::exp(log_probs.Of(token));
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_NEAR(log_probs.Of(3) - log_probs.Of(0), 6, 1e-5);
}

TEST(RowLogProbs, TheTopIsThatOfAFullSort) {
  std::mt19937 random(1);
  std::vector<float> logits(500);
  for (float& logit : logits) logit = static_cast<float>(random() % 50);  // many equal ones
  std::vector<TokenId> sorted(logits.size());
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<TokenId>(i);
  std::ranges::stable_sort(sorted, [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  const RowLogProbs log_probs(logits);
  for (const size_t count : {0, 1, 7, 499, 500}) {
    const auto top = log_probs.Top(count);
    ASSERT_EQ(top.size(), count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(top[i].first, sorted[i]);
      EXPECT_EQ(top[i].second, log_probs.Of(sorted[i]));
    }
  }
  EXPECT_EQ(log_probs.Top(1000).size(), 500u);
}

}  // namespace
}  // namespace retro
