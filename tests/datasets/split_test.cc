#include "datasets/split.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

std::map<Part, int> CountParts(const Split& split, int documents) {
  std::map<Part, int> counts;
  for (int i = 0; i < documents; ++i) ++counts[split.PartOf("doc/" + std::to_string(i))];
  return counts;
}

TEST(Split, PartsHaveAboutTheirFraction) {
  const auto counts = CountParts(Split(0.1, 0.2, 0), 20'000);
  EXPECT_NEAR(counts.at(Part::kValid), 2'000, 200);
  EXPECT_NEAR(counts.at(Part::kTest), 4'000, 300);
}

TEST(Split, WithoutFractionsEverythingIsTrain) {
  EXPECT_EQ(CountParts(Split(0, 0, 0), 1000).at(Part::kTrain), 1000);
  EXPECT_EQ(CountParts(Split(1, 0, 0), 1000).at(Part::kValid), 1000);
  EXPECT_EQ(CountParts(Split(0, 1, 0), 1000).at(Part::kTest), 1000);
}

TEST(Split, ALargerTestPartTakesFromTrainOnly) {
  const Split before(0.1, 0.1, 7), after(0.1, 0.3, 7);
  for (int i = 0; i < 2000; ++i) {
    const std::string id = std::to_string(i);
    if (before.PartOf(id) != Part::kTrain) {
      EXPECT_EQ(before.PartOf(id), after.PartOf(id));
    }
  }
}

TEST(Split, AnotherSeedIsAnotherSplit) {
  const Split one(0.5, 0, 1), two(0.5, 0, 2);
  int differ = 0;
  for (int i = 0; i < 1000; ++i) differ += one.PartOf(std::to_string(i)) != two.PartOf(std::to_string(i));
  EXPECT_NEAR(differ, 500, 100);
}

TEST(Split, ImpossibleFractionsAreRefused) {
  EXPECT_ERROR(Split(-0.1, 0, 0), ErrorCode::kInvalidArgument, "-0.1");
  EXPECT_ERROR(Split(0.6, 0.5, 0), ErrorCode::kInvalidArgument, "at most 1");
  EXPECT_ERROR(Split(std::numeric_limits<double>::quiet_NaN(), 0, 0), ErrorCode::kInvalidArgument, "nan");
}

}  // namespace
}  // namespace retro
