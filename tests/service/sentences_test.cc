#include "service/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace retro {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SplitSentences, EndsAtSignsBeforeACapitalOrAFigure) {
  EXPECT_THAT(SplitSentences("It rained. Was it cold? Yes! 1902 was colder."),
              ElementsAre("It rained.", "Was it cold?", "Yes!", "1902 was colder."));
}

TEST(SplitSentences, DoesNotEndInsideNumbersAndNames) {
  EXPECT_THAT(SplitSentences("It weighs 3.5 kg and comes from example.com today."),
              ElementsAre("It weighs 3.5 kg and comes from example.com today."));
  EXPECT_THAT(SplitSentences("He waited ... and left."), ElementsAre("He waited ... and left."));
}

TEST(SplitSentences, DoesNotEndAtInitialsAndAbbreviations) {
  EXPECT_THAT(SplitSentences("Dr. J. R. Smith of the U.S. Navy came, e.g. From Ohio. He left."),
              ElementsAre("Dr. J. R. Smith of the U.S. Navy came, e.g. From Ohio.", "He left."));
  EXPECT_THAT(SplitSentences("See No. 5 on p. 12. No. He said so."),
              ElementsAre("See No. 5 on p. 12.", "No.", "He said so."));
}

TEST(SplitSentences, QuotesAndBracketsBelongToTheSentenceTheyClose) {
  EXPECT_THAT(SplitSentences("He said \"Stop.\" She (Ann.) Went on…” Then “No.”"),
              ElementsAre("He said \"Stop.\"", "She (Ann.)", "Went on…”", "Then “No.”"));
}

TEST(SplitSentences, OtherScriptsHaveTheirOwnStops) {
  EXPECT_THAT(SplitSentences("今天下雨。明天呢？好"), ElementsAre("今天下雨。", "明天呢？", "好"));
  EXPECT_THAT(SplitSentences("वह आया। वह गया।"), ElementsAre("वह आया।", "वह गया।"));
  EXPECT_THAT(SplitSentences("Он пришёл. Затем ушёл. и всё"), ElementsAre("Он пришёл.", "Затем ушёл. и всё"));
}

TEST(SplitSentences, ABlankLineEndsAndALineEndDoesNot) {
  EXPECT_THAT(SplitSentences("A heading\n\nThe text goes\non here\n \nend"),
              ElementsAre("A heading", "The text goes\non here", "end"));
}

TEST(SplitSentences, NothingGivesNothing) {
  EXPECT_THAT(SplitSentences(""), IsEmpty());
  EXPECT_THAT(SplitSentences(" \n\t"), IsEmpty());
  EXPECT_THAT(SplitSentences("..."), ElementsAre("..."));
}

TEST(SplitSentences, BytesThatAreNotUtf8AreKept) {
  EXPECT_THAT(SplitSentences("a\xFF\xC3. B\xE2\x82"), ElementsAre("a\xFF\xC3.", "B\xE2\x82"));
}

}  // namespace
}  // namespace retro
