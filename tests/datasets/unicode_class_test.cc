#include "datasets/unicode_class.h"

#include <gtest/gtest.h>

namespace retro {
namespace {

TEST(UnicodeClass, KnowsLettersNumbersAndSpacesOfManyScripts) {
  const uint8_t* const classes = CharClassTable();
  for (const char32_t c : {U'a', U'Z', U'é', U'世', U'ᄒ', U'ａ', U'𐵐'})
    EXPECT_TRUE(classes[c] & kLetter) << uint32_t{c};
  for (const char32_t c : {U'7', U'٣', U'½', U'Ⅷ', U'²'}) EXPECT_TRUE(classes[c] & kNumber) << uint32_t{c};
  for (const char32_t c : {U' ', U'\t', U'\x85', U'\u00A0', U'\u2003', U'\u3000'}) {
    EXPECT_TRUE(classes[c] & kWhiteSpace) << uint32_t{c};
  }
  for (const char32_t c : {U'\u200B', U'\u001F', U'\uFEFF'}) EXPECT_FALSE(classes[c] & kWhiteSpace) << uint32_t{c};
  EXPECT_EQ(classes[U'\u0378'] & (kLetter | kNumber | kWhiteSpace), 0);
}

TEST(UnicodeClass, LowerCaseFollowsUnicode) {
  EXPECT_EQ(LowerCase(U'A'), U'a');
  EXPECT_EQ(LowerCase(U'Σ'), U'σ');
  EXPECT_EQ(LowerCase(U'ẞ'), U'ß');
  EXPECT_EQ(LowerCase(U'Ა'), U'ა');
  EXPECT_EQ(LowerCase(U'\u0130'), U'\u0130');
  EXPECT_EQ(LowerCase(U'世'), U'世');
}

TEST(UnicodeClass, ComposesAndLeavesInvalidBytes) {
  EXPECT_EQ(ComposeCanonically("e\u0301 \u1112\u1161\u11AB"), "\u00E9 \uD55C");
  EXPECT_EQ(ComposeCanonically("a\xFF"
                               "e\u0301\xC3"),
            "a\xFF\u00E9\xC3");
}

TEST(UnicodeClass, DecompositionPutsMarksInCanonicalOrder) {
  std::u32string out;
  CanonicalDecomposer decomposer(out);
  for (const char32_t c : U"\u00E9\u0327x") {
    if (c != 0) decomposer.Add(c);
  }
  decomposer.Finish();
  EXPECT_EQ(out, U"e\u0327\u0301x");
}

TEST(UnicodeClass, ScanCharRefusesWhatIsNotUtf8) {
  for (const std::string_view bad :
       {"\xC0\x80", "\xED\xA0\x80", "\xE2\x82", "\xF4\x90\x80\x80", "\x80", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF"}) {
    const auto c = ScanChar(bad.data(), bad.data() + bad.size());
    EXPECT_FALSE(c.valid);
    EXPECT_EQ(c.length, 1u);
  }
  const std::string_view good = "\U0010FFFF";
  EXPECT_EQ(ScanChar(good.data(), good.data() + good.size()).value, 0x10FFFFu);
}

}  // namespace
}  // namespace retro
