#include "training/example_mixture.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/testing/expect_error.h"
#include "training/example_packing.h"

namespace retro {
namespace {

// Example i is of `length` tokens i; the last two are learned.
ChatExample Example(TokenId i, size_t length) {
  ChatExample example{std::vector<TokenId>(length, i), std::vector<bool>(length, false)};
  example.learned[length - 2] = example.learned[length - 1] = true;
  return example;
}

std::vector<ChatExample> Examples(TokenId first, int count) {
  std::vector<ChatExample> examples;
  for (int i = 0; i < count; ++i) examples.push_back(Example(first + i, 3 + i * 7 % 20));
  return examples;
}

TEST(PackIntoBins, HoldsEveryItemOnceAndNoBinTooMuch) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < 300; ++i) lengths.push_back(1 + i * 37 % 60);
  const auto bins = PackIntoBins(lengths, 64);
  std::map<size_t, int> seen;
  size_t sum = 0;
  for (const auto& bin : bins) {
    size_t used = 0;
    for (const size_t item : bin) {
      used += lengths[item];
      ++seen[item];
    }
    EXPECT_LE(used, 64u);
    sum += used;
  }
  EXPECT_EQ(seen.size(), lengths.size());
  for (const auto& [item, times] : seen) EXPECT_EQ(times, 1) << item;
  EXPECT_LT(static_cast<double>(bins.size()), 1.05 * static_cast<double>(sum) / 64);
}

TEST(AppendPacked, OnlyLearnedTokensAreTargetsAndNoneAcrossExamples) {
  const ChatExample a = Example(5, 4), b = Example(6, 3);
  TrainingBatch batch;
  AppendPacked({&a, &b}, 9, batch);
  const TokenId none = kNoTarget;
  EXPECT_EQ(batch.tokens, (std::vector<TokenId>{5, 5, 5, 5, 6, 6, 6, 0, 0}));
  EXPECT_EQ(batch.targets, (std::vector<TokenId>{none, 5, 5, none, 6, 6, none, none, none}));
  EXPECT_EQ(batch.example_lens, (std::vector<int64_t>{4, 3, 2}));
  AppendPacked({&a}, 9, batch);
  EXPECT_EQ(batch.num_sequences, 2);
  EXPECT_EQ(batch.tokens.size(), 18u);
  EXPECT_EQ(batch.example_lens, (std::vector<int64_t>{4, 3, 2, 4, 5}));
}

// How often each example came in the first `batches` batches.
std::map<TokenId, int> Count(ExampleMixture& mixture, int batches) {
  std::map<TokenId, int> counts;
  for (int i = 0; i < batches; ++i) {
    const TrainingBatch batch = mixture.Next();
    size_t at = 0;
    for (const int64_t len : batch.example_lens) {
      if (batch.tokens[at] != 0) ++counts[batch.tokens[at]];
      at += len;
    }
  }
  return counts;
}

TEST(ExampleMixture, AnEpochHasEveryExampleOnce) {
  const auto examples = Examples(1, 500);
  uint64_t tokens = 0;
  for (const auto& example : examples) tokens += example.tokens.size();
  ExampleMixture mixture({{&examples, 0, 1}}, 64, 1, 3, "f");
  const auto counts = Count(mixture, static_cast<int>(tokens / 64));
  for (const auto& [example, times] : counts) EXPECT_EQ(times, 1) << example;
  EXPECT_GT(counts.size(), 480u);
}

TEST(ExampleMixture, FilesAreMixedByWeight) {
  const auto few = Examples(1, 20), many = Examples(1001, 200);
  ExampleMixture mixture({{&few, 3}, {&many, 1}}, 64, 2, 3, "f");
  int of_few = 0, of_many = 0;
  for (const auto& [example, times] : Count(mixture, 128)) (example < 1000 ? of_few : of_many) += times;
  EXPECT_NEAR(static_cast<double>(of_few) / of_many, 3.0, 0.1);
}

TEST(ExampleMixture, ResumedAnywhereItGoesOnAsIfUnbroken) {
  const auto one = Examples(1, 90), two = Examples(1001, 70);
  const auto make = [&](uint64_t seed = 3) { return ExampleMixture({{&one, 2, 40}, {&two, 1}}, 64, 2, seed, "f"); };
  for (const int before : {0, 1, 31, 32, 33, 70}) {
    ExampleMixture unbroken = make(), resumed = make();
    for (int i = 0; i < before; ++i) unbroken.Next();
    resumed.Resume(unbroken.Position());
    for (int i = 0; i < 40; ++i) {
      const TrainingBatch a = unbroken.Next(), b = resumed.Next();
      ASSERT_EQ(a.tokens, b.tokens) << before << ", " << i;
      ASSERT_EQ(a.example_lens, b.example_lens);
    }
  }
  ExampleMixture first = make(), same = make(), other = make(4);
  const TrainingBatch batch = first.Next();
  EXPECT_EQ(batch.tokens, same.Next().tokens);
  EXPECT_NE(batch.tokens, other.Next().tokens);
}

TEST(ExampleMixture, APositionInOtherExamplesIsRefused) {
  const auto examples = Examples(1, 9);
  ExampleMixture mixture({{&examples}}, 64, 1, 3, "f"), changed({{&examples}}, 64, 1, 3, "g");
  mixture.Next();
  EXPECT_ERROR(changed.Resume(mixture.Position()), ErrorCode::kInvalidArgument, "have changed");
  EXPECT_ERROR(mixture.Resume({{"drawn", {1}}}), ErrorCode::kCorruption, "position");
  EXPECT_ERROR(mixture.Resume({{"drawn", {0}}, {"taken", 1000}, {"examples", "f"}}), ErrorCode::kCorruption, "window");
}

}  // namespace
}  // namespace retro
