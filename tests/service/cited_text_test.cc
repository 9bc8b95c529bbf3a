#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/citations.h"
#include "service/words.h"

namespace retro {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Source> MakeSources(const std::vector<std::string>& texts) {
  std::vector<Source> sources;
  for (const std::string& text : texts) {
    Source& source = sources.emplace_back();
    source.number = static_cast<int>(sources.size());
    source.passage.text = text;
  }
  return sources;
}

// The whole text with markers when `answer` comes in pieces of `piece` bytes; what is streamed must be the same.
std::string Cite(const std::string& question, const std::string& answer, std::vector<Source>& sources, size_t piece) {
  CitedText text(question, sources);
  std::string streamed;
  for (size_t i = 0; i < answer.size(); i += piece) streamed += text.Push(answer.substr(i, piece));
  streamed += text.Finish();
  EXPECT_EQ(streamed, text.text());
  return streamed;
}

const std::vector<std::string> kPassages = {"The Amber Bridge was opened in 1931.",
                                            "Elsa Norling, an engineer, designed bridges and towers.",
                                            "Copper melts at 1085 degrees."};

TEST(CitedText, NamesTheSourcesThatHoldWhatIsSaidAfterEachSentence) {
  for (const size_t piece : {1u, 3u, 1000u}) {
    auto sources = MakeSources(kPassages);
    EXPECT_EQ(Cite("Who designed it?", "It was Elsa Norling. The bridge opened in 1931.", sources, piece),
              "It was Elsa Norling. [2] The bridge opened in 1931. [1]");
    EXPECT_TRUE(sources[0].cited);
    EXPECT_TRUE(sources[1].cited);
    EXPECT_FALSE(sources[2].cited);
  }
}

TEST(CitedText, CitationsAreStretchesOfTheText) {
  auto sources = MakeSources(kPassages);
  CitedText text("Who designed it?", sources);
  text.Push("It was Elsa Norling. The bridge opened in 1931.");
  text.Finish();
  ASSERT_EQ(text.citations().size(), 2u);
  const Citation& second = text.citations()[1];
  EXPECT_EQ(text.text().substr(second.begin, second.end - second.begin), "The bridge opened in 1931.");
  EXPECT_THAT(second.sources, ElementsAre(1));
  EXPECT_EQ(text.plain_text(), "It was Elsa Norling. The bridge opened in 1931.");
}

TEST(CitedText, WhatNoSourceHoldsGetsNoMarker) {
  auto sources = MakeSources(kPassages);
  EXPECT_EQ(Cite("Who?", "Napoleon Bonaparte.", sources, 5), "Napoleon Bonaparte.");
  EXPECT_FALSE(sources[0].cited || sources[1].cited || sources[2].cited);
}

TEST(CitedText, WordsOfTheQuestionSupportNothing) {
  // "Amber Bridge" is in source 1, but the answer is "Norling".
  auto sources = MakeSources(kPassages);
  EXPECT_EQ(Cite("Who designed the Amber Bridge?", "The Amber Bridge: Norling", sources, 4),
            "The Amber Bridge: Norling [2]");
}

TEST(CitedText, NamesAtMostTwoSourcesBestFirst) {
  auto sources = MakeSources({"red", "red green blue", "red green blue", "red green blue"});
  EXPECT_EQ(Cite("?", "red green blue", sources, 3), "red green blue [2][3]");
}

TEST(CitedText, MarkersOfTheDecodersOwnAreTakenOut) {
  for (const size_t piece : {1u, 2u, 1000u}) {
    auto sources = MakeSources(kPassages);
    EXPECT_EQ(Cite("When?", "In 1931 [7][12].", sources, piece), "In 1931. [1]");
    EXPECT_EQ(Cite("When?", "In [3] 1931", sources, piece), "In 1931 [1]");
    EXPECT_EQ(Cite("When?", "[1] 1931 [", sources, piece), "1931 [ [1]");
  }
}

TEST(CitedText, ShowsNoWhiteSpaceAtTheEnds) {
  auto sources = MakeSources(kPassages);
  CitedText text("?", sources);
  EXPECT_EQ(text.Push("  "), "");
  EXPECT_EQ(text.Push(" a "), "a");
  EXPECT_EQ(text.Push(" "), "");
  EXPECT_EQ(text.Push("b\n"), "  b");
  EXPECT_EQ(text.Finish(), "");
  EXPECT_EQ(text.text(), "a  b");
}

TEST(CitedText, AnOpenBracketAtTheEndIsShown) {
  auto sources = MakeSources({});
  CitedText text("?", sources);
  EXPECT_EQ(text.Push("x [1"), "x");
  EXPECT_EQ(text.Finish(), " [1");
}

TEST(CitedText, NothingStaysNothing) {
  auto sources = MakeSources(kPassages);
  CitedText text("?", sources);
  EXPECT_EQ(text.Push(""), "");
  EXPECT_EQ(text.Finish(), "");
  EXPECT_THAT(text.citations(), IsEmpty());
}

TEST(Words, AreLowerCaseRunsOfLettersDigitsAndMarks) {
  EXPECT_THAT(Words("Ünder-score, x2 & ÜNDER"), ElementsAre("score", "x2", "ünder"));
}

TEST(Words, NewWordsAreThoseBeyondTheQuestion) {
  EXPECT_THAT(NewWords("The bridge was red", "What colour is the bridge?"), ElementsAre("red"));
  EXPECT_THAT(NewWords("The bridge", "bridge?"), ElementsAre("bridge"));
  EXPECT_THAT(NewWords("it was", "?"), ElementsAre("it", "was"));
  EXPECT_FLOAT_EQ(ShareOf({"a", "b"}, {"b", "c"}), 0.5f);
  EXPECT_EQ(ShareOf({}, {"b"}), 0);
}

}  // namespace
}  // namespace retro
