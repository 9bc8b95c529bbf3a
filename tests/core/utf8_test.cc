#include "core/utf8.h"

#include <gtest/gtest.h>

#include <array>

namespace retro {
namespace {

// Validity by another road than the code under test: bits by the first byte's pattern, then the value is judged.
bool IsOneCharacter(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  static constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = 0;
  char32_t value = 0;
  if (at(0) < 0x80) length = 1, value = at(0);
  if ((at(0) & 0xE0) == 0xC0) length = 2, value = at(0) & 0x1F;
  if ((at(0) & 0xF0) == 0xE0) length = 3, value = at(0) & 0x0F;
  if ((at(0) & 0xF8) == 0xF0) length = 4, value = at(0) & 0x07;
  if (length == 0 || length != bytes.size()) return false;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return false;
    value = value * 64 + (at(i) & 0x3F);
  }
  return value >= kSmallest[length] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
}

bool IsText(std::string_view bytes) {
  if (bytes.empty()) return true;
  for (size_t length = 1; length <= std::min<size_t>(4, bytes.size()); ++length) {
    if (IsOneCharacter(bytes.substr(0, length))) return IsText(bytes.substr(length));
  }
  return false;
}

TEST(Utf8, EveryScalarValueIsReadBackAsItWasWritten) {
  for (char32_t value = 0; value <= 0x10FFFF; ++value) {
    if (value >= 0xD800 && value <= 0xDFFF) continue;
    std::string text;
    AppendCodePoint(value, text);
    ASSERT_TRUE(IsOneCharacter(text)) << static_cast<uint32_t>(value);
    const CodePoint point = DecodeCodePoint(text + "\x80");
    ASSERT_TRUE(point.valid);
    ASSERT_EQ(point.value, value);
    ASSERT_EQ(point.length, text.size());
  }
}

TEST(Utf8, CharactersHaveTheirKnownBytes) {
  std::string text;
  for (const char32_t value : {U'A', U'é', U'€', U'😀'}) AppendCodePoint(value, text);
  EXPECT_EQ(text, "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(Utf8, SurrogatesAndNumbersBeyondUnicodeAreWrittenAsReplacement) {
  for (const char32_t value : {0xD800u, 0xDFFFu, 0x110000u, 0xFFFFFFFFu}) {
    std::string text;
    AppendCodePoint(value, text);
    EXPECT_EQ(text, "\uFFFD");
  }
}

TEST(Utf8, EverySequenceOfFourBoundaryBytesIsJudgedAsTheDefinitionSays) {
  constexpr std::array<uint8_t, 23> kBytes = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                              0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5, 0xFF};
  for (const uint8_t a : kBytes) {
    for (const uint8_t b : kBytes) {
      for (const uint8_t c : kBytes) {
        for (const uint8_t d : kBytes) {
          const std::string text = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c),
                                    static_cast<char>(d)};
          ASSERT_EQ(IsValidUtf8(text), IsText(text)) << testing::PrintToString(text);
        }
      }
    }
  }
}

// The tables 3-8 to 3-11 of the Unicode standard.
TEST(Utf8, IllFormedSequencesAreReplacedAsInTheStandardsTables) {
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
}

TEST(Utf8, ReplacementLeavesValidTextAsItIsAndMakesTheRestValid) {
  const std::string text = "plain ASCII that is longer than a word, é € 😀, 中文";
  EXPECT_EQ(ReplaceInvalidUtf8(text), text);
  EXPECT_EQ(ReplaceInvalidUtf8(""), "");
  for (size_t flipped = 0; flipped < text.size(); ++flipped) {
    std::string damaged = text;
    damaged[flipped] = static_cast<char>(damaged[flipped] ^ 0x80);
    EXPECT_TRUE(IsValidUtf8(ReplaceInvalidUtf8(damaged)));
  }
}

TEST(Utf8, InvalidBytesBehindLongAsciiAreFound) {
  for (size_t length = 0; length < 40; ++length) {
    EXPECT_FALSE(IsValidUtf8(std::string(length, 'a') + "\xFF"));
    EXPECT_FALSE(IsValidUtf8(std::string(length, 'a') + "\xE2\x82"));
    EXPECT_TRUE(IsValidUtf8(std::string(length, 'a') + "é"));
  }
}

TEST(Utf8, ACompletePrefixEndsWhereTheLastWholeCharacterEnds) {
  const std::string text = "aé€😀z";
  const std::array<size_t, 12> expected = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
  ASSERT_EQ(text.size() + 1, expected.size());
  for (size_t length = 0; length <= text.size(); ++length) {
    EXPECT_EQ(CompleteUtf8Prefix(std::string_view(text).substr(0, length)), expected[length]) << length;
  }
}

TEST(Utf8, BytesThatCannotBecomeACharacterAreNotHeldBack) {
  for (const std::string_view text : {"a\xFF", "a\x80", "a\x80\x80\x80\x80", "a\xC0", "a\xE0\x80", "a\xED\xA0",
                                      "a\xF4\x90", "a\xF5", "a\xE2\x82\xAC\x80", "a\xF0\x9F\x98\x80\x80"}) {
    EXPECT_EQ(CompleteUtf8Prefix(text), text.size()) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace retro
