#include "service/prefix_cache.h"

#include <gtest/gtest.h>

#include "tests/testing/toy_language_model.h"

namespace retro {
namespace {

class PrefixCacheTest : public testing::Test {
 protected:
  int Keep(const std::vector<TokenId>& tokens, bool adapted = true) {
    const int sequence = cache_.Add(100);
    cache_.tokens(sequence) = tokens;
    prefixes_.Keep(sequence, tokens, adapted);
    return sequence;
  }
  // Tokens of all sequences of the cache that were not removed.
  int64_t Held() const {
    int64_t held = 0;
    for (int i = 0; i < cache_.num_sequences(); ++i) held += cache_.length(i);
    return held;
  }

  ToyCache cache_{0, 100};
  PrefixCache prefixes_{cache_, 10};
};

TEST_F(PrefixCacheTest, FindsTheLongestCommonBeginning) {
  const int one = Keep({1, 2, 3}), two = Keep({1, 2, 4, 5});
  const auto find = [&](std::vector<TokenId> prompt) {
    const auto match = prefixes_.Find(prompt, true);
    return std::pair(match.sequence, match.length);
  };
  EXPECT_EQ(find({1, 2, 3, 4}), (std::pair<int, int64_t>{one, 3}));
  EXPECT_EQ(find({1, 2, 4, 4}), (std::pair<int, int64_t>{two, 3}));
  EXPECT_EQ(find({1, 2, 4}), (std::pair<int, int64_t>{two, 3}));
  EXPECT_EQ(find({2}), (std::pair<int, int64_t>{-1, 0}));
  EXPECT_EQ(find({}), (std::pair<int, int64_t>{-1, 0}));
}

TEST_F(PrefixCacheTest, TheLeastRecentlyUsedGoFirst) {
  Keep({1, 1, 1, 1});
  Keep({2, 2, 2, 2});
  prefixes_.Find(std::vector<TokenId>{1}, true);
  Keep({3, 3, 3, 3});
  EXPECT_EQ(prefixes_.Find(std::vector<TokenId>{2}, true).length, 0);
  EXPECT_EQ(prefixes_.Find(std::vector<TokenId>{1}, true).length, 1);
  EXPECT_EQ(prefixes_.num_tokens(), 8);
  EXPECT_EQ(Held(), 8);
}

TEST_F(PrefixCacheTest, WhatAnotherHoldsIsNotKeptTwice) {
  Keep({1, 2, 3});
  Keep({1, 2});
  Keep({1, 2, 3});
  EXPECT_EQ(prefixes_.num_tokens(), 3);
  Keep({1, 2, 3, 4});
  EXPECT_EQ(prefixes_.num_tokens(), 4);
  EXPECT_EQ(Held(), 4);
}

TEST_F(PrefixCacheTest, WhatIsTooLongIsRemovedAtOnce) {
  Keep({1, 2, 3});
  Keep(std::vector<TokenId>(11, 5));
  EXPECT_EQ(prefixes_.num_tokens(), 3);
  EXPECT_EQ(Held(), 3);
}

TEST_F(PrefixCacheTest, WhatTheAdapterWasUsedForIsNotForTheBase) {
  const int adapted = Keep({1, 2, 3}), base = Keep({1, 2}, false);
  EXPECT_EQ(Held(), 5);
  const std::vector<TokenId> prompt = {1, 2, 3};
  EXPECT_EQ(prefixes_.Find(prompt, false).sequence, base);
  EXPECT_EQ(prefixes_.Find(prompt, false).length, 2);
  EXPECT_EQ(prefixes_.Find(prompt, true).sequence, adapted);
  Keep({1, 2, 3}, false);  // goes on with the base's, and leaves the other alone
  EXPECT_EQ(prefixes_.Find(prompt, true).length, 3);
  EXPECT_EQ(Held(), 6);
}

}  // namespace
}  // namespace retro
