#include "datasets/bpe_merger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace retro {
namespace {

// The definition: the pair of lowest rank, leftmost among equals, until there is none.
std::vector<TokenId> MergeByDefinition(const BpeMerges& merges, std::vector<TokenId> symbols) {
  while (true) {
    BpeMerges::Merge best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto merge = merges.Find(symbols[i], symbols[i + 1]);
      if (merge.rank < best.rank) {
        best = merge;
        at = i;
      }
    }
    if (best.rank == BpeMerges::kNoMerge) return symbols;
    symbols[at] = best.id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// Merges over letters 0-3, each making a new symbol.
BpeMerges RandomMerges(std::mt19937& random, size_t count) {
  BpeMerges merges(count);
  TokenId next = 4;
  for (uint32_t rank = 0; rank < count; ++rank) {
    const TokenId left = static_cast<TokenId>(random() % next);
    const TokenId right = static_cast<TokenId>(random() % next);
    if (merges.Find(left, right).rank == BpeMerges::kNoMerge) merges.Set(left, right, {rank, next++});
  }
  return merges;
}

TEST(BpeMerger, AgreesWithTheDefinitionOnShortAndLongWords) {
  std::mt19937 random(1);
  BpeMerger merger;
  for (int round = 0; round < 200; ++round) {
    const auto merges = RandomMerges(random, 60);
    std::vector<TokenId> symbols(1 + random() % 300);
    for (auto& symbol : symbols) symbol = static_cast<TokenId>(random() % 4);
    const auto expected = MergeByDefinition(merges, symbols);
    merger.Merge(merges, symbols);
    ASSERT_EQ(symbols, expected);
  }
}

TEST(BpeMerger, TakesTheLeftmostOfEqualPairs) {
  BpeMerges merges(1);
  merges.Set(0, 0, {0, 1});
  BpeMerger merger;
  std::vector<TokenId> symbols = {0, 0, 0};
  merger.Merge(merges, symbols);
  EXPECT_EQ(symbols, (std::vector<TokenId>{1, 0}));
}

TEST(BpeMerger, LeavesEmptyAndSingleSymbolsAlone) {
  const BpeMerges merges(0);
  BpeMerger merger;
  std::vector<TokenId> symbols;
  merger.Merge(merges, symbols);
  EXPECT_TRUE(symbols.empty());
  symbols = {5};
  merger.Merge(merges, symbols);
  EXPECT_EQ(symbols, std::vector<TokenId>{5});
}

TEST(BpeMerges, APairSetTwiceKeepsTheLast) {
  BpeMerges merges(2);
  merges.Set(1, 2, {0, 10});
  merges.Set(1, 2, {1, 11});
  EXPECT_EQ(merges.Find(1, 2).id, 11);
  EXPECT_EQ(merges.Find(2, 1).rank, BpeMerges::kNoMerge);
}

}  // namespace
}  // namespace retro
