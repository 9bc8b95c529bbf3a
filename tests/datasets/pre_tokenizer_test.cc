#include "datasets/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace retro {
namespace {

using testing::ElementsAre;
using Kind = PreTokenizerKind;

std::vector<std::string> Words(Kind kind, const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = NextWordEnd(kind, text, begin);
    EXPECT_GT(end, begin);
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

TEST(PreTokenizer, Gpt2LeavesOneSpaceToTheNextWord) {
  EXPECT_THAT(Words(Kind::kGpt2, "a  b\n\nc  "), ElementsAre("a", " ", " b", "\n", "\n", "c", "  "));
}

TEST(PreTokenizer, Gpt2ContractionsAreLowerCaseOnly) {
  EXPECT_THAT(Words(Kind::kGpt2, "we'll WE'LL 's"), ElementsAre("we", "'ll", " WE", "'", "LL", " '", "s"));
}

TEST(PreTokenizer, Gpt2KeepsNumbersOfAllScriptsTogether) {
  EXPECT_THAT(Words(Kind::kGpt2, "x12\u0663\u00BD y"), ElementsAre("x", "12\u0663\u00BD", " y"));
}

TEST(PreTokenizer, SmolLmCutsDigitsAndSeesTheTextEndAtThem) {
  EXPECT_THAT(Words(Kind::kSmolLm, "a  12 3b"), ElementsAre("a", "  ", "1", "2", " ", "3", "b"));
}

TEST(PreTokenizer, Llama3TakesThreeDigitsAndQwen2One) {
  EXPECT_THAT(Words(Kind::kLlama3, "12345 6"), ElementsAre("123", "45", " ", "6"));
  EXPECT_THAT(Words(Kind::kQwen2, "12 3"), ElementsAre("1", "2", " ", "3"));
}

TEST(PreTokenizer, Llama3TakesOneSignBeforeLetters) {
  EXPECT_THAT(Words(Kind::kLlama3, "(ab ((ab\tcd"), ElementsAre("(ab", " ((", "ab", "\tcd"));
}

TEST(PreTokenizer, Llama3ContractionsKnowNoCase) {
  EXPECT_THAT(Words(Kind::kLlama3, "it'S I'LL x'\u017F"), ElementsAre("it", "'S", " I", "'LL", " x", "'\u017F"));
}

TEST(PreTokenizer, Llama3KeepsLineEndsTogether) {
  EXPECT_THAT(Words(Kind::kLlama3, "a!\r\n\n  b \n \n  c"),
              ElementsAre("a", "!\r\n\n", " ", " b", " \n \n", " ", " c"));
}

TEST(PreTokenizer, WhiteSpaceIsThatOfUnicode) {
  EXPECT_THAT(Words(Kind::kGpt2, "a\u00A0\u3000b\u200Bc"), ElementsAre("a", "\u00A0", "\u3000", "b", "\u200B", "c"));
}

TEST(PreTokenizer, InvalidBytesAreSymbolsOneByOne) {
  EXPECT_THAT(Words(Kind::kGpt2, "a\xFF\xC3 \xE2\x82"), ElementsAre("a", "\xFF\xC3", " \xE2\x82"));
}

TEST(PreTokenizer, NoneTakesAll) { EXPECT_THAT(Words(Kind::kNone, "a b c"), ElementsAre("a b c")); }

TEST(PreTokenizer, IsFoundByItsGgufNameOrRegexOnly) {
  EXPECT_EQ(PreTokenizerByGgufName("smollm"), Kind::kSmolLm);
  EXPECT_EQ(PreTokenizerByGgufName("llama-bpe"), Kind::kLlama3);
  EXPECT_EQ(PreTokenizerByGgufName("no such"), std::nullopt);
  EXPECT_EQ(PreTokenizerByRegex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
            Kind::kGpt2);
  EXPECT_EQ(PreTokenizerByRegex(R"(\s+)"), std::nullopt);
}

}  // namespace
}  // namespace retro
