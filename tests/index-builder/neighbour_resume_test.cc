// A search is done once: it goes on where it was killed, and serves every table that is chosen from it.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/interrupt.h"
#include "core/staged_folder.h"
#include "tests/index-builder/test_neighbours.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// Stands for the death of the process where a test has to go on.
// The steps of a build.
std::vector<std::string> Steps(TestNeighbours& test, const fs::path& out, NeighbourOptions options) {
  std::vector<std::string> steps;
  options.on_step = [&](std::string_view step) { steps.emplace_back(step); };
  test.BuildTable(out, options);
  return steps;
}

size_t NumBlocks(const std::vector<std::string>& steps) {
  return std::ranges::count_if(steps, [](const std::string& step) { return step.starts_with("block"); });
}

TEST(NeighbourResume, KilledAfterEachStepInTurnTheTableIsThatOfAnUnbrokenBuild) {
  TestNeighbours test;
  const std::vector<std::string> steps = Steps(test, test.folder / "unbroken", test.Few());
  EXPECT_GE(steps.size(), 5u);  // 3 blocks or more, search, table
  size_t blocks = 0;
  for (const std::string& fatal : steps) {
    NeighbourOptions options = test.Few();
    options.on_step = [&](std::string_view step) {
      blocks += step.starts_with("block");
      if (step == fatal) throw Killed();
    };
    EXPECT_THROW(test.BuildTable(options), Killed) << fatal;
    EXPECT_FALSE(fs::exists(test.table())) << fatal;
  }
  EXPECT_TRUE(Steps(test, test.table(), test.Few()).empty());
  EXPECT_EQ(FilesOf(test.table()), FilesOf(test.folder / "unbroken"));
  EXPECT_EQ(blocks, NumBlocks(steps));  // none was searched twice
  EXPECT_FALSE(fs::exists(test.table_staging()));
}

TEST(NeighbourResume, AnInterruptedBuildGoesOn) {
  TestNeighbours test;
  Steps(test, test.folder / "unbroken", test.Few());
  for (const std::string at : {"block 0", "search"}) {
    NeighbourOptions options = test.Few();
    options.on_step = [&](std::string_view step) { SetInterrupted(step == at); };
    EXPECT_ERROR(test.BuildTable(options), ErrorCode::kUnavailable, "");
    SetInterrupted(false);
  }
  test.BuildTable(test.Few());
  EXPECT_EQ(FilesOf(test.table()), FilesOf(test.folder / "unbroken"));
}

TEST(NeighbourResume, ADamagedBlockIsSearchedAgainAndOnlyThat) {
  TestNeighbours test;
  const auto steps = Steps(test, test.folder / "unbroken", test.Few());
  NeighbourOptions options = test.Few();
  options.on_step = [](std::string_view step) {
    if (step == "search") throw Killed();
  };
  EXPECT_THROW(test.BuildTable(options), Killed);
  const fs::path block = test.table_staging() / "candidates/block-00001.distances";
  std::string bytes = ReadText(block);
  bytes[bytes.size() / 2] ^= 4;
  WriteText(block, bytes);
  fs::resize_file(test.table_staging() / "candidates/block-00000.ids", 100);
  EXPECT_EQ(NumBlocks(Steps(test, test.table(), test.Few())), 2u);
  EXPECT_GT(NumBlocks(steps), 2u);
  EXPECT_EQ(FilesOf(test.table()), FilesOf(test.folder / "unbroken"));
}

TEST(NeighbourResume, OnAFullDiskNothingIsLostAndTheNextRunGoesOn) {
  TestNeighbours test;
  Steps(test, test.folder / "unbroken", test.Few());
  {
    const FileSizeLimit limit(3000);  // below the ids of a block
    EXPECT_ERROR(test.BuildTable(test.Few()), ErrorCode::kIo, "block-00000.ids");
  }
  test.BuildTable(test.Few());
  EXPECT_EQ(FilesOf(test.table()), FilesOf(test.folder / "unbroken"));
}

TEST(NeighbourResume, TheSameBuildAgainDoesNothing) {
  TestNeighbours test;
  test.BuildTable(test.Few());
  const auto before = FilesOf(test.table());
  EXPECT_TRUE(Steps(test, test.table(), test.Few()).empty());
  EXPECT_EQ(FilesOf(test.table()), before);
}

TEST(NeighbourResume, ADamagedTableIsChosenAgain) {
  TestNeighbours test;
  test.BuildTable(test.Few());
  const auto before = FilesOf(test.table());
  fs::resize_file(test.table() / "neighbours.ids", 80);
  EXPECT_EQ(Steps(test, test.table(), test.Few()), (std::vector<std::string>{"search", "table"}));
  EXPECT_EQ(FilesOf(test.table()), before);
}

std::vector<NeighbourOptions> OtherChoices(const TestNeighbours& test) {
  std::vector<NeighbourOptions> choices(5, test.Few());
  choices[0].selection.k = 7;
  choices[1].selection.order = NeighbourOrder::kBm25;
  choices[2].selection.max_next_overlap = 0.4;
  choices[3].selection.max_row_overlap = 0.4;
  choices[4].seq_len = 2 * kTestChunkLen;
  return choices;
}

TEST(NeighbourResume, AnotherChoiceNeedsNoOtherSearch) {
  TestNeighbours test;
  test.BuildTable(test.Few());
  test.BuildTable(test.folder / "first", test.Few());
  const auto first = FilesOf(test.folder / "first");
  for (const NeighbourOptions& options : OtherChoices(test)) {
    const fs::path fresh = test.folder / "fresh", taken = test.folder / "taken";
    EXPECT_GT(NumBlocks(Steps(test, fresh, options)), 0u);
    NeighbourOptions from = options;
    from.candidates_from = test.folder / "first";
    EXPECT_EQ(NumBlocks(Steps(test, taken, from)), 0u);
    EXPECT_EQ(NumBlocks(Steps(test, test.table(), options)), 0u);  // those of the table that it replaces
    EXPECT_EQ(FilesOf(test.table()), FilesOf(fresh));
    EXPECT_EQ(FilesOf(taken), FilesOf(fresh));
    fs::remove_all(fresh);
    fs::remove_all(taken);
  }
  EXPECT_EQ(FilesOf(test.folder / "first"), first);
}

TEST(NeighbourResume, AnotherSearchIsDoneAnew) {
  TestNeighbours test;
  test.BuildTable(test.Few());
  NeighbourOptions other = test.Few();
  other.search.candidates = 10;
  EXPECT_GT(NumBlocks(Steps(test, test.table(), other)), 0u);
  Steps(test, test.folder / "fresh", other);
  EXPECT_EQ(FilesOf(test.table()), FilesOf(test.folder / "fresh"));
}

TEST(NeighbourResume, CandidatesOfAnotherSearchAreRefusedSayingWhatDiffers) {
  TestNeighbours test;
  test.BuildTable(test.folder / "first", test.Few());
  NeighbourOptions options = test.Few();
  options.candidates_from = test.folder / "first";
  options.search.candidates = 10;
  EXPECT_ERROR(test.BuildTable(options), ErrorCode::kInvalidArgument, "they differ in candidates;");
  options.search.candidates = 20;
  options.candidates_from = test.folder / "gone";
  EXPECT_ERROR(test.BuildTable(options), ErrorCode::kNotFound, "gone");
  test.MakeCorpus("corpus", SharedDocuments(39));
  options.candidates_from = test.folder / "first";
  EXPECT_ERROR(test.BuildTable(options), ErrorCode::kInvalidArgument, "they differ in corpus/manifest.json;");
  EXPECT_FALSE(fs::exists(test.table_staging()));
}

TEST(NeighbourResume, WithOtherOptionsAKilledBuildBeginsAnewOrGoesOnAsItMay) {
  TestNeighbours test;
  NeighbourOptions killed = test.Few();
  killed.on_step = [](std::string_view step) {
    if (step == "table") throw Killed();
  };
  EXPECT_THROW(test.BuildTable(killed), Killed);  // complete, but not in its place
  NeighbourOptions other = test.Few();
  other.selection.k = 5;
  EXPECT_EQ(NumBlocks(Steps(test, test.table(), other)), 0u);
  EXPECT_EQ(NeighbourTable(test.table()).k(), 5u);
  EXPECT_THROW(test.BuildTable(killed), Killed);
  other.search.candidates = 11;
  EXPECT_GT(NumBlocks(Steps(test, test.table(), other)), 0u);
  Steps(test, test.folder / "fresh", other);
  EXPECT_EQ(FilesOf(test.table()), FilesOf(test.folder / "fresh"));
}

TEST(NeighbourResume, AnOldTableIsServedUntilTheNewOneIsWhole) {
  TestNeighbours test;
  test.BuildTable(test.Few());
  const auto before = FilesOf(test.table());
  NeighbourOptions options = test.Few();
  options.search.candidates = 10;
  options.on_step = [&](std::string_view) { EXPECT_EQ(FilesOf(test.table()), before); };
  test.BuildTable(options);
  EXPECT_NE(FilesOf(test.table()), before);
}

TEST(NeighbourResume, AFolderThatAnotherProcessBuildsIsRefused) {
  TestNeighbours test;
  const StagedFolder other(test.table(), StagedFolder::Unpublished::kRemove);
  EXPECT_ERROR(test.BuildTable(test.Few()), ErrorCode::kUnavailable, "table.building");
}

}  // namespace
}  // namespace retro
