#include "datasets/shingles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace retro {
namespace {

std::vector<uint64_t> ShinglesOf(std::string_view text, size_t ngram = 5) {
  std::vector<uint64_t> shingles;
  AppendShingles(text, ngram, shingles);
  return shingles;
}

TEST(Shingles, ThereIsOneForEachRunOfWords) {
  EXPECT_EQ(ShinglesOf("one two three four five six seven").size(), 3u);
  EXPECT_EQ(ShinglesOf("one two three four five").size(), 1u);
}

TEST(Shingles, AShortTextIsOneShingleOfAllItsWords) {
  EXPECT_EQ(ShinglesOf("one two").size(), 1u);
  EXPECT_NE(ShinglesOf("one two"), ShinglesOf("two one"));
  EXPECT_EQ(ShinglesOf("").size(), 1u);
  EXPECT_EQ(ShinglesOf(" \t\n"), ShinglesOf(""));
}

TEST(Shingles, WhiteSpaceAndCaseMakeNoDifference) {
  EXPECT_EQ(ShinglesOf("The quick\tBROWN\nfox\r\n jumps  over"), ShinglesOf("the quick brown fox jumps over"));
  EXPECT_EQ(ShinglesOf("Ärger\u00A0MIT der\u2003Straße heute"), ShinglesOf("ärger mit der straße heute"));
}

TEST(Shingles, AShingleDependsOnItsOwnWordsOnly) {
  const auto whole = ShinglesOf("a b c d e f g h i j", 3);
  const auto tail = ShinglesOf("x y d e f g h i j", 3);
  EXPECT_TRUE(std::equal(whole.end() - 5, whole.end(), tail.end() - 5));
  EXPECT_EQ(std::find(whole.begin(), whole.end(), tail[0]), whole.end());
}

TEST(Shingles, WordsAreNotRunTogether) { EXPECT_NE(ShinglesOf("ab c d e f"), ShinglesOf("a bc d e f")); }

TEST(Shingles, AnIdeographIsAWordOfItsOwn) {
  EXPECT_EQ(ShinglesOf("日本語の文").size(), ShinglesOf("日 本 語 の 文").size());
  EXPECT_EQ(ShinglesOf("猫猫猫猫猫猫").size(), 2u);
}

TEST(Shingles, BytesThatAreNotUtf8AreTakenAsTheyAre) {
  EXPECT_EQ(ShinglesOf("a \xFF b c d"), ShinglesOf("a \xFF b c d"));
  EXPECT_NE(ShinglesOf("a \xFF b c d"), ShinglesOf("a \xFE b c d"));
}

TEST(JaccardSimilarity, IsTheShareOfCommonElements) {
  EXPECT_DOUBLE_EQ(JaccardSimilarity({1, 2, 3}, {2, 3, 4}), 0.5);
  EXPECT_DOUBLE_EQ(JaccardSimilarity({1, 2}, {1, 2}), 1);
  EXPECT_DOUBLE_EQ(JaccardSimilarity({1}, {2}), 0);
  EXPECT_DOUBLE_EQ(JaccardSimilarity({}, {7}), 0);
  EXPECT_DOUBLE_EQ(JaccardSimilarity({}, {}), 1);
}

}  // namespace
}  // namespace retro
