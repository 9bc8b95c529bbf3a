#include "training/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace retro {
namespace {

TEST(LearningRate, RisesLinearlyThenFallsAsACosine) {
  const LearningRate rate{.peak = 2, .min_factor = 0.1, .warmup_steps = 4, .steps = 105};
  EXPECT_DOUBLE_EQ(rate.At(0), 0.5);
  EXPECT_DOUBLE_EQ(rate.At(3), 2);
  EXPECT_DOUBLE_EQ(rate.At(4), 2);
  EXPECT_DOUBLE_EQ(rate.At(54), 2 * 0.55);  // half-way: the mean of peak and end
  EXPECT_DOUBLE_EQ(rate.At(29), 2 * (0.1 + 0.9 * (1 + std::sqrt(0.5)) / 2));
  EXPECT_DOUBLE_EQ(rate.At(104), 0.2);
}

TEST(LearningRate, ARunThatIsAllWarmUpNeverFalls) {
  const LearningRate rate{.peak = 1, .min_factor = 0, .warmup_steps = 10, .steps = 5};
  EXPECT_DOUBLE_EQ(rate.At(4), 0.5);
}

TEST(LearningRate, OneStepWithoutWarmUpHasThePeak) {
  EXPECT_DOUBLE_EQ((LearningRate{.peak = 1, .min_factor = 0.1, .warmup_steps = 0, .steps = 1}).At(0), 1);
}

}  // namespace
}  // namespace retro
