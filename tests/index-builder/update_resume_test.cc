// A change that was killed at any point leaves the old generation or the new one, and nothing that stays for ever.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/index-builder/updated_database.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// Stands for the death of the process where a test has to go on.
struct Killed {};

// A database after one change, and three changes that may be killed.
struct KilledDatabase : UpdatedDatabase {
  KilledDatabase() {
    BuildFrom(out(), NumberedDocuments(0, 10));
    Add(NumberedDocuments(10, 5));
    fs::copy(out(), folder / "copy", fs::copy_options::recursive);
  }

  void Restore() const {
    fs::remove_all(out());
    fs::copy(folder / "copy", out(), fs::copy_options::recursive);
  }

  void Change(const std::string& which, const UpdateOptions& options) {
    if (which == "add") Add(NumberedDocuments(13, 6, 2), options);
    if (which == "remove") Remove({.ids = {}, .sources = {"odd"}}, options);
    if (which == "compact") Compact(options);
  }

  std::vector<std::vector<FoundText>> Found() { return SearchTexts(*Open(), {.k = 30}); }
};

TEST(UpdateResume, KilledAfterEachStepTheOldGenerationIsWholeOrTheNewOne) {
  KilledDatabase test;
  for (const std::string which : {"add", "remove", "compact"}) {
    test.Restore();
    const auto before = test.Found();
    std::vector<std::string> steps;
    test.Change(which, {.on_step = [&](std::string_view step) { steps.emplace_back(step); }});
    const auto after = test.Found();
    const auto names = test.Names();
    EXPECT_GE(steps.size(), 3u) << which;
    bool published = false;
    for (size_t fatal = 0; fatal < steps.size(); ++fatal) {
      SCOPED_TRACE(which + " killed after " + steps[fatal]);
      test.Restore();
      size_t step = 0;
      const UpdateOptions deadly{.on_step = [&](std::string_view) {
        if (step++ == fatal) throw Killed();
      }};
      EXPECT_THROW(test.Change(which, deadly), Killed);
      published = published || steps[fatal] == "generation";
      EXPECT_TRUE(test.Found() == (published ? after : before));
      // The next change goes on and removes what this one left.
      if (published) {
        test.Remove({.ids = {"doc/0"}, .sources = {}});
      } else {
        test.Change(which, {});
        EXPECT_TRUE(test.Found() == after);
        EXPECT_EQ(test.Names(), names);
      }
      EXPECT_EQ(fs::exists(test.out() / "parts/000001"), which != "compact");
    }
    EXPECT_TRUE(published);
  }
}

TEST(UpdateResume, AnAddGoesOnWithTheBlocksThatAKilledOneFinished) {
  KilledDatabase test;
  const std::vector<UpdatedDocument> documents = NumberedDocuments(20, 30);
  const UpdateOptions deadly{.on_step = [](std::string_view step) {
    if (step == "block 2") throw Killed();
  }};
  EXPECT_THROW(test.Add(documents, deadly), Killed);
  std::vector<std::string> steps;
  test.Add(documents, {.on_step = [&](std::string_view step) { steps.emplace_back(step); }});
  EXPECT_EQ(std::ranges::count(steps, "block 0"), 0);
  EXPECT_EQ(std::ranges::count(steps, "block 3"), 1);
}

TEST(UpdateResume, TheFirstChangeOfABuiltDatabaseKilledAtAnyStepLeavesItAsItWas) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  const auto before = test.SearchTexts(*test.Open(), {.k = 30});
  for (const std::string fatal : {"corpus", "chunks", "index", "manifest", "links"}) {
    const UpdateOptions deadly{.on_step = [&](std::string_view step) {
      if (step == fatal) throw Killed();
    }};
    EXPECT_THROW(test.Add(NumberedDocuments(10, 5), deadly), Killed) << fatal;
    EXPECT_EQ(test.SearchTexts(*test.Open(), {.k = 30}), before) << fatal;
    EXPECT_EQ(test.Open()->generation(), 0u);
  }
  test.Add(NumberedDocuments(10, 5));
  EXPECT_EQ(test.Open()->generation(), 1u);
}

// The death test runs this program again, so the folder has to have the same name in both processes.
fs::path UpdatedFolder() {
  constexpr const char* kVariable = "RETRO_KILLED_UPDATE_FOLDER";
  setenv(kVariable, (fs::temp_directory_path() / ("retro-killed-update-" + std::to_string(getpid()))).c_str(), 0);
  return std::getenv(kVariable);
}

TEST(UpdateResumeDeathTest, AProcessThatIsKilledOutrightGivesItsLockBackAndLosesNothing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  UpdatedDatabase test;
  const fs::path folder = UpdatedFolder(), db = folder / "db";
  WriteText(folder / "input.jsonl", RandomDocuments(10, 20));
  WriteText(folder / "added.jsonl", RandomDocuments(14, 20));
  if (!Manifest::Exists(db)) {
    BuildIndex({folder / "input.jsonl"}, test.tokenizer, *test.embedder, db, TestDatabase::Options(), test.pool);
  }
  for (const std::string fatal : {"chunks", "links", "generation"}) {
    const UpdateOptions deadly{.on_step = [&](std::string_view step) {
      if (step == fatal) raise(SIGKILL);
    }};
    EXPECT_EXIT(AddDocuments(db, {folder / "added.jsonl"}, test.tokenizer, *test.embedder, deadly, test.pool),
                ::testing::KilledBySignal(SIGKILL), "")
        << fatal;
    EXPECT_EQ(test.Open(db)->generation(), fatal == "generation" ? 1u : 0u);
  }
  EXPECT_EQ(test.Open(db)->manifest().counts.at("documents"), 14);
  EXPECT_EQ(CompactDatabase(db, test.tokenizer, *test.embedder, {}, test.pool).documents, 14u);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace retro
