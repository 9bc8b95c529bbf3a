#include "datasets/token_overlap.h"

#include <gtest/gtest.h>

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

TEST(TokenOverlap, OfTokensApartIsNotARun) {
  EXPECT_EQ(LongestCommonSubstring(std::vector<TokenId>{1, 2, 3, 4}, std::vector<TokenId>{1, 9, 2, 3, 9, 4}), 2u);
  EXPECT_EQ(LongestCommonSubstring(std::vector<TokenId>{}, std::vector<TokenId>{1}), 0u);
}

}  // namespace
}  // namespace retro
