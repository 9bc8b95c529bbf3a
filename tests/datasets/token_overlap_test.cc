#include "datasets/token_overlap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace retro {
namespace {

// By trying every pair of places.
uint32_t Slow(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  uint32_t longest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b.size(); ++j) {
      uint32_t length = 0;
      while (i + length < a.size() && j + length < b.size() && a[i + length] == b[j + length]) ++length;
      longest = std::max(longest, length);
    }
  }
  return longest;
}

TEST(TokenOverlap, IsTheLongestRunThatBothHave) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<TokenId> a(random() % 30), b(random() % 60);
    for (TokenId& token : a) token = static_cast<TokenId>(random() % (1 + round % 5));
    for (TokenId& token : b) token = static_cast<TokenId>(random() % (1 + round % 5));
    EXPECT_EQ(LongestCommonSubstring(a, b), Slow(a, b));
    EXPECT_EQ(LongestCommonSubstring(b, a), Slow(a, b));
  }
}

using Tokens = std::vector<TokenId>;

// By the definition: every run of `a` looked for in `b`.
uint32_t ByDefinition(const Tokens& a, const Tokens& b) {
  for (size_t length = a.size(); length > 0; --length) {
    for (size_t begin = 0; begin + length <= a.size(); ++begin) {
      const auto first = a.begin() + static_cast<int64_t>(begin);
      if (std::search(b.begin(), b.end(), first, first + static_cast<int64_t>(length)) != b.end()) {
        return static_cast<uint32_t>(length);
      }
    }
  }
  return 0;
}

TEST(TokenOverlap, IsTheLengthOfTheLongestRunInBoth) {
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 2, 3, 4}, Tokens{9, 2, 3, 9, 1, 2}), 2u);
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 2, 3}, Tokens{1, 2, 3}), 3u);
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 3, 2}, Tokens{1, 2, 3}), 1u);  // a subsequence of two does not count
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 2}, Tokens{3, 4}), 0u);
}

TEST(TokenOverlap, OfNothingIsNothing) {
  EXPECT_EQ(LongestCommonSubstring({}, Tokens{1}), 0u);
  EXPECT_EQ(LongestCommonSubstring(Tokens{1}, {}), 0u);
  EXPECT_EQ(LongestCommonSubstring({}, {}), 0u);
}

TEST(TokenOverlap, AgreesWithItsDefinitionOnRandomTokens) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 400; ++trial) {
    const int alphabet = 1 + static_cast<int>(random() % 5);
    Tokens a(random() % 40), b(random() % 70);
    for (TokenId& token : a) token = static_cast<TokenId>(random() % alphabet);
    for (TokenId& token : b) token = static_cast<TokenId>(random() % alphabet);
    ASSERT_EQ(LongestCommonSubstring(a, b), ByDefinition(a, b)) << trial;
    ASSERT_EQ(LongestCommonSubstring(b, a), ByDefinition(a, b)) << trial;
  }
}

TEST(TokenOverlap, OfTokensApartIsNotARun) {
  EXPECT_EQ(LongestCommonSubstring(std::vector<TokenId>{1, 2, 3, 4}, std::vector<TokenId>{1, 9, 2, 3, 9, 4}), 2u);
  EXPECT_EQ(LongestCommonSubstring(std::vector<TokenId>{}, std::vector<TokenId>{1}), 0u);
}

}  // namespace
}  // namespace retro
