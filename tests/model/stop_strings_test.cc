#include "model/stop_strings.h"

#include <gtest/gtest.h>

#include "core/utf8.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

// Everything that comes out when `text` goes in by pieces of `piece` bytes.
std::string Filter(const std::vector<std::string>& stops, std::string_view text, size_t piece) {
  StopStringFilter filter(stops);
  std::string out;
  for (size_t i = 0; i < text.size(); i += piece) {
    const std::string released = filter.Push(text.substr(i, piece));
    EXPECT_TRUE(IsValidUtf8(released)) << text;
    out += released;
  }
  return out + filter.Finish();
}

TEST(StopStringFilter, CutsWhereTheStopStringBegins) {
  for (size_t piece = 1; piece <= 20; ++piece) {
    EXPECT_EQ(Filter({"###"}, "answer ## yes### more", piece), "answer ## yes") << piece;
  }
}

TEST(StopStringFilter, HoldsBackWhatCouldBecomeAStopString) {
  StopStringFilter filter({"\nQ:"});
  EXPECT_EQ(filter.Push("yes\n"), "yes");
  EXPECT_EQ(filter.Push("Q"), "");
  EXPECT_EQ(filter.Push("!\n"), "\nQ!");
  EXPECT_FALSE(filter.stopped());
  EXPECT_EQ(filter.Push("Q:more"), "");
  EXPECT_TRUE(filter.stopped());
  EXPECT_EQ(filter.Push("still more"), "");
  EXPECT_EQ(filter.Finish(), "");
}

TEST(StopStringFilter, FinishReleasesWhatWasHeldBack) {
  StopStringFilter filter({"stop"});
  EXPECT_EQ(filter.Push("a sto"), "a ");
  EXPECT_EQ(filter.Finish(), "sto");
}

TEST(StopStringFilter, FindsAStopStringThatOverlapsItsOwnBeginning) {
  for (size_t piece = 1; piece <= 8; ++piece) EXPECT_EQ(Filter({"aab"}, "aaaab!", piece), "aa") << piece;
}

TEST(StopStringFilter, TakesTheStopStringThatIsCompleteFirstWhateverThePieces) {
  for (size_t piece = 1; piece <= 8; ++piece) {
    EXPECT_EQ(Filter({"bcdef", "cd"}, "abcdef", piece), "ab") << piece;
    EXPECT_EQ(Filter({"cd", "bcd"}, "abcdef", piece), "a") << piece;
  }
}

TEST(StopStringFilter, ReleasesWholeCharactersOnly) {
  const std::string text = "é\xE2\x82\xAC😀z";
  for (size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(Filter({}, text, piece), text) << piece;
  StopStringFilter filter({});
  EXPECT_EQ(filter.Push("a\xF0\x9F"), "a");
  EXPECT_EQ(filter.Push("\x98\x80"), "😀");
}

TEST(StopStringFilter, AStopStringMaySharesItsFirstBytesWithAnotherCharacter) {
  // "é" is C3 A9 and "è" C3 A8: the first byte alone decides nothing.
  for (size_t piece = 1; piece <= 4; ++piece) {
    EXPECT_EQ(Filter({"é"}, "aèb", piece), "aèb") << piece;
    EXPECT_EQ(Filter({"é"}, "aéb", piece), "a") << piece;
  }
}

TEST(StopStringFilter, BytesThatAreNoCharacterBecomeReplacements) {
  const std::string text = "a\xFF\xC3z\xE2\x82";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(Filter({}, text, piece), "a\uFFFD\uFFFDz\uFFFD") << piece;
  }
}

TEST(StopStringFilter, AnEmptyStopStringIsAnError) {
  EXPECT_ERROR(StopStringFilter({"a", ""}), ErrorCode::kInvalidArgument, "a stop string is empty");
}

}  // namespace
}  // namespace retro
