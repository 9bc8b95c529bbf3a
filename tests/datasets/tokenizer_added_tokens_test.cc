#include "datasets/tokenizer_added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

using testing::ElementsAre;

std::vector<std::string> Parts(const AddedTokenMatcher& matcher, std::string_view text, bool parse_special) {
  std::vector<TextPart> parts;
  matcher.Split(text, parse_special, parts);
  std::vector<std::string> out;
  for (const auto& part : parts) {
    out.push_back(part.id < 0 ? std::string(part.text) : fmt::format("<{}:{}>", part.id, part.text));
  }
  return out;
}

TEST(AddedTokens, TheLongestOfThoseThatBeginFirstIsTaken) {
  const AddedTokenMatcher matcher(
      {{.id = 1, .content = "ab"}, {.id = 2, .content = "abc"}, {.id = 3, .content = "bcd"}});
  EXPECT_THAT(Parts(matcher, "xabcdabx", false), ElementsAre("x", "<2:abc>", "d", "<1:ab>", "x"));
}

TEST(AddedTokens, SpecialOnesAreOrdinaryTextUnlessParsed) {
  const AddedTokenMatcher matcher({{.id = 1, .content = "<s>", .special = true}, {.id = 2, .content = "ab"}});
  EXPECT_THAT(Parts(matcher, "<s>ab", false), ElementsAre("<s>", "<2:ab>"));
  EXPECT_THAT(Parts(matcher, "<s>ab", true), ElementsAre("<1:<s>>", "<2:ab>"));
}

TEST(AddedTokens, SingleWordsAreNotFoundInsideWords) {
  const AddedTokenMatcher matcher({{.id = 1, .content = "ab", .single_word = true}});
  EXPECT_THAT(Parts(matcher, "ab abc \u00E9ab ab.", false), ElementsAre("<1:ab>", " abc \u00E9ab ", "<1:ab>", "."));
}

TEST(AddedTokens, StrippedSpaceGoesWithTheToken) {
  const AddedTokenMatcher matcher(
      {{.id = 1, .content = "A", .lstrip = true}, {.id = 2, .content = "B", .rstrip = true}});
  EXPECT_THAT(Parts(matcher, "x \u3000A y B\u00A0 z", false),
              ElementsAre("x", "<1: \u3000A>", " y ", "<2:B\u00A0 >", "z"));
}

TEST(AddedTokens, WithoutTokensTheTextIsOnePartAndAnEmptyTextNone) {
  const AddedTokenMatcher matcher({});
  EXPECT_THAT(Parts(matcher, "text", true), ElementsAre("text"));
  EXPECT_THAT(Parts(matcher, "", true), ElementsAre());
}

TEST(AddedTokens, AContentTooLongToSearchForIsRefused) {
  EXPECT_ERROR(AddedTokenMatcher({{.id = 4, .content = std::string(2000, 'x')}}), ErrorCode::kCorruption,
               "added token 4 has 2000 bytes");
}

}  // namespace
}  // namespace retro
