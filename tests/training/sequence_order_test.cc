#include "training/sequence_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

using Pair = std::pair<size_t, uint64_t>;

std::vector<Pair> Draw(SequenceOrder& order, int count) {
  std::vector<Pair> drawn;
  for (int i = 0; i < count; ++i) {
    const SequenceOrder::Draw draw = order.Next();
    drawn.emplace_back(draw.part, draw.sequence);
  }
  return drawn;
}

TEST(Permutation, ReachesEveryElementOnce) {
  for (const uint64_t size : {1, 2, 3, 4, 5, 16, 17, 100, 1000, 1025}) {
    const Permutation permutation(size, 7);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < size; ++i) seen.insert(permutation.At(i));
    EXPECT_EQ(seen.size(), size);
    EXPECT_LT(*seen.rbegin(), size);
  }
}

// Of a random permutation of n, the distance between neighbours' images is n / 3 on average and about one element stays
// where it is.
TEST(Permutation, LooksRandom) {
  constexpr int64_t kSize = 10'000;
  const Permutation permutation(kSize, 1), other(kSize, 2);
  double distance = 0;
  int fixed = 0, equal = 0;
  for (int64_t i = 0; i < kSize; ++i) {
    const auto here = static_cast<int64_t>(permutation.At(i));
    distance += static_cast<double>(std::abs(here - static_cast<int64_t>(permutation.At((i + 1) % kSize))));
    fixed += here == i;
    equal += permutation.At(i) == other.At(i);
  }
  EXPECT_NEAR(distance / kSize, kSize / 3.0, kSize / 50.0);
  EXPECT_LT(fixed, 10);
  EXPECT_LT(equal, 10);
}

TEST(SequenceOrder, AnEpochHasEverySequenceOnceAndTheNextAnotherOrder) {
  SequenceOrder order({{.num_sequences = 50}}, 3);
  const auto first = Draw(order, 50), second = Draw(order, 50);
  EXPECT_EQ(std::set<Pair>(first.begin(), first.end()).size(), 50u);
  EXPECT_THAT(second, testing::UnorderedElementsAreArray(first));
  EXPECT_NE(first, second);
}

TEST(SequenceOrder, TheSeedChoosesTheOrder) {
  SequenceOrder one({{.num_sequences = 50}}, 3), same({{.num_sequences = 50}}, 3), other({{.num_sequences = 50}}, 4);
  const auto order = Draw(one, 50);
  EXPECT_EQ(order, Draw(same, 50));
  EXPECT_NE(order, Draw(other, 50));
}

TEST(SequenceOrder, EveryPrefixIsMixedByTheWeights) {
  SequenceOrder order({{.num_sequences = 10, .weight = 3}, {.num_sequences = 1000, .weight = 1}}, 1);
  int of_first = 0;
  for (int i = 1; i <= 400; ++i) {
    of_first += order.Next().part == 0;
    EXPECT_NEAR(of_first, 0.75 * i, 1);
  }
}

TEST(SequenceOrder, APartAtItsBoundLeavesTheRestToTheOthers) {
  SequenceOrder order(
      {{.num_sequences = 4, .weight = 1, .max_draws = 6}, {.num_sequences = 9, .weight = 1, .max_draws = 9}}, 1);
  EXPECT_EQ(order.num_left(), 15u);
  const auto all = Draw(order, 15);
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const Pair& draw) { return draw.first == 0; }), 6);
  EXPECT_EQ(order.num_left(), 0u);
  EXPECT_EQ(all[12].first, 1u);
  EXPECT_ERROR(order.Next(), ErrorCode::kInternal, "beyond the last");
}

TEST(SequenceOrder, GoesOnFromWhereAnotherStood) {
  const std::vector<SequenceOrder::Part> parts = {{.num_sequences = 7, .weight = 2, .max_draws = 20},
                                                  {.num_sequences = 5, .weight = 0.3}};
  SequenceOrder unbroken(parts, 9);
  Draw(unbroken, 17);
  SequenceOrder resumed(parts, 9);
  resumed.Resume(unbroken.drawn());
  EXPECT_EQ(Draw(resumed, 40), Draw(unbroken, 40));
}

TEST(SequenceOrder, APositionOfAnotherMixtureIsRefused) {
  SequenceOrder order({{.num_sequences = 4, .weight = 1, .max_draws = 6}}, 1);
  EXPECT_ERROR(order.Resume({1, 2}), ErrorCode::kCorruption, "of 2 corpora, there are 1");
  EXPECT_ERROR(order.Resume({7}), ErrorCode::kCorruption, "beyond --max-epochs");
}

}  // namespace
}  // namespace retro
