#include "service/whole_passages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/small_database.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using testing::ElementsAre;

// Chunks of 16 bytes: 0 "The otter sleeps" 1 " by day. It eats" 2 " fish at night. " 3 "Mink swim, too. " 4 "The end.",
// 5 "one two three fo" 6 "ur five six seve" 7 "n eight nine ten" 8 " eleven twelve".
class WholePassagesTest : public testing::Test {
 protected:
  WholePassagesTest() {
    WriteSmallDatabase(dir_ / "db",
                       {{"otter", "The otter sleeps by day. It eats fish at night. Mink swim, too. The end."},
                        {"list", "one two three four five six seven eight nine ten eleven twelve"}},
                       16);
    database_ = OpenSmallDatabase(dir_ / "db");
  }

  std::vector<Passage> Whole(const std::vector<uint64_t>& chunks) const {
    std::vector<Passage> found;
    for (const uint64_t chunk : chunks) found.push_back(database_->GetPassage({.chunk = {chunk}}, false));
    return WholePassages(*database_, found);
  }
  std::vector<std::string> Texts(const std::vector<uint64_t>& chunks) const {
    std::vector<std::string> texts;
    for (const Passage& passage : Whole(chunks)) texts.push_back(passage.text);
    return texts;
  }

  TempDir dir_;
  std::unique_ptr<RetrievalDatabase> database_;
};

TEST_F(WholePassagesTest, GoesFromTheSentenceOfItsBeginToTheLastWholeOneOfTheNextChunk) {
  EXPECT_THAT(Texts({0}), ElementsAre("The otter sleeps by day."));
  EXPECT_THAT(Texts({1}), ElementsAre("The otter sleeps by day. It eats fish at night."));
  EXPECT_THAT(Texts({2}), ElementsAre("It eats fish at night. Mink swim, too."));
}

TEST_F(WholePassagesTest, ADocumentsEndsArePassagesEnds) {
  EXPECT_THAT(Texts({3}), ElementsAre("Mink swim, too. The end."));
  EXPECT_THAT(Texts({4}), ElementsAre("The end."));
}

TEST_F(WholePassagesTest, ChunksThatFollowEachOtherAreOnePassageInThePlaceOfTheBest) {
  const auto whole = Whole({3, 6, 1});
  ASSERT_EQ(whole.size(), 2u);
  EXPECT_EQ(whole[0].text, "The otter sleeps by day. It eats fish at night. Mink swim, too. The end.");
  EXPECT_EQ(whole[0].chunk.value, 3u);
  EXPECT_EQ(whole[1].document.id, "list");
}

TEST_F(WholePassagesTest, ChunksFarApartAreTwo) { EXPECT_EQ(Texts({0, 4}).size(), 2u); }

TEST_F(WholePassagesTest, WithoutSentencesTheSurroundingsAreGiven) {
  EXPECT_THAT(Texts({6}), ElementsAre("one two three four five six seven eight nine ten"));
}

TEST_F(WholePassagesTest, OfNothingComesNothing) { EXPECT_THAT(Texts({}), ElementsAre()); }

}  // namespace
}  // namespace retro
