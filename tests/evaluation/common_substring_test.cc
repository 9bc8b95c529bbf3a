#include "evaluation/common_substring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace retro {
namespace {

using Tokens = std::vector<TokenId>;

// By the definition: every run of `a` looked for in `b`.
int64_t ByDefinition(const Tokens& a, const Tokens& b) {
  for (size_t length = a.size(); length > 0; --length) {
    for (size_t begin = 0; begin + length <= a.size(); ++begin) {
      const auto first = a.begin() + static_cast<int64_t>(begin);
      if (std::search(b.begin(), b.end(), first, first + static_cast<int64_t>(length)) != b.end()) {
        return static_cast<int64_t>(length);
      }
    }
  }
  return 0;
}

TEST(LongestCommonSubstring, IsTheLengthOfTheLongestRunInBoth) {
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 2, 3, 4}, Tokens{9, 2, 3, 9, 1, 2}), 2);
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 2, 3}, Tokens{1, 2, 3}), 3);
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 3, 2}, Tokens{1, 2, 3}), 1);  // a subsequence of two does not count
  EXPECT_EQ(LongestCommonSubstring(Tokens{1, 2}, Tokens{3, 4}), 0);
}

TEST(LongestCommonSubstring, OfNothingIsNothing) {
  EXPECT_EQ(LongestCommonSubstring({}, Tokens{1}), 0);
  EXPECT_EQ(LongestCommonSubstring(Tokens{1}, {}), 0);
  EXPECT_EQ(LongestCommonSubstring({}, {}), 0);
}

TEST(LongestCommonSubstring, AgreesWithItsDefinitionOnRandomTokens) {
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

}  // namespace
}  // namespace retro
