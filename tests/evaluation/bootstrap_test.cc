#include "evaluation/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "evaluation/random_numbers.h"

namespace retro {
namespace {

constexpr double kLn2 = std::numbers::ln2;

std::vector<PairedNats> Noisy(int count, double mean, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, 1.0);
  std::vector<PairedNats> documents;
  for (int i = 0; i < count; ++i) documents.push_back({50 + normal(random), 50, 100});
  return documents;
}

TEST(BitsPerByteDifference, IsOfSumsAndNotOfMeans) {
  const std::vector<PairedNats> documents = {{10 * kLn2, 0, 1}, {0, 1 * kLn2, 99}};
  EXPECT_NEAR(BitsPerByteDifference(documents), (10.0 - 1.0) / 100, 1e-12);
  EXPECT_TRUE(std::isnan(BitsPerByteDifference({})));
}

TEST(BootstrapInterval, OfTheSameDifferenceEverywhereIsThatDifference) {
  const std::vector<PairedNats> documents(20, {90 * kLn2, 100 * kLn2, 50});
  const auto interval = BootstrapInterval(documents, {});
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low, -0.2, 1e-12);
  EXPECT_NEAR(interval->high, -0.2, 1e-12);
}

TEST(BootstrapInterval, OfTwoDocumentsReachesFromOneToTheOther) {
  const std::vector<PairedNats> documents = {{0, 1 * kLn2, 1}, {0, 3 * kLn2, 1}};
  const auto interval = BootstrapInterval(documents, {});
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low, -3, 1e-12);
  EXPECT_NEAR(interval->high, -1, 1e-12);
}

TEST(BootstrapInterval, IsAFunctionOfItsSeed) {
  const auto documents = Noisy(30, 1, 7);
  const auto one = BootstrapInterval(documents, {.seed = 1}), again = BootstrapInterval(documents, {.seed = 1});
  const auto two = BootstrapInterval(documents, {.seed = 2});
  EXPECT_EQ(one->low, again->low);
  EXPECT_EQ(one->high, again->high);
  EXPECT_NE(one->low, two->low);
  EXPECT_NEAR(one->low, two->low, 0.002);
}

TEST(BootstrapInterval, HoldsTheTruthAboutAsOftenAsItSays) {
  int holds = 0;
  constexpr int kTrials = 300;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto interval = BootstrapInterval(Noisy(40, 0, 100 + trial), {.num_samples = 300, .confidence = 0.9});
    holds += interval->low <= 0 && 0 <= interval->high;
  }
  EXPECT_GT(holds, kTrials * 0.84);
  EXPECT_LT(holds, kTrials * 0.95);
}

TEST(BootstrapInterval, IsAsWideAsTheNormalApproximation) {
  const auto documents = Noisy(200, 0.5, 11);
  const auto interval = BootstrapInterval(documents, {.num_samples = 4000});
  // Standard deviation 1 nat a document of 100 bytes, 200 documents.
  const double expected = 2 * 1.96 / std::sqrt(200.0) / 100 / kLn2;
  EXPECT_NEAR(interval->high - interval->low, expected, 0.12 * expected);
}

TEST(BootstrapInterval, SaysNothingOfFewerThanTwoDocuments) {
  EXPECT_FALSE(BootstrapInterval({}, {}));
  EXPECT_FALSE(BootstrapInterval(std::vector<PairedNats>{{1, 2, 3}}, {}));
  EXPECT_FALSE(BootstrapInterval(std::vector<PairedNats>{{1, 2, 3}, {0, 0, 0}}, {}));
}

TEST(RandomNumbers, AreThoseOfSplitMix64) {
  RandomNumbers random(1234567);  // the values of the authors' own program
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(RandomNumbers, BelowIsUniform) {
  RandomNumbers random(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 7000; ++i) ++counts[random.Below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 120);
  EXPECT_EQ(RandomNumbers(9).Below(1), 0u);
}

}  // namespace
}  // namespace retro
