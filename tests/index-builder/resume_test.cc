// A build that was killed at any point and then goes on makes what an unbroken one makes.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "core/interrupt.h"
#include "tests/index-builder/test_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// Stands for the death of the process where a test has to go on.
const IndexOptions kOptions{.chunk_len = 16, .factory = "IVF4,PQ16x4fs", .keep_embeddings = true, .block_chunks = 32};

// The steps of an unbroken build into `out`.
std::vector<std::string> BuildUnbroken(TestDatabase& test, const fs::path& out, IndexOptions options) {
  std::vector<std::string> steps;
  options.on_step = [&](std::string_view step) { steps.emplace_back(step); };
  test.Build(out, options);
  return steps;
}

TEST(Resume, KilledAfterEachStepInTurnTheDatabaseIsThatOfAnUnbrokenBuild) {
  TestDatabase test(20, 20);
  const std::vector<std::string> steps = BuildUnbroken(test, test.folder / "unbroken", kOptions);
  // corpus, chunk block, 4 blocks or more, trained, as many code blocks, chunks, index, recall, manifest
  EXPECT_GE(steps.size(), 15u);
  size_t reached = 0;
  for (const std::string& fatal : steps) {
    IndexOptions options = kOptions;
    options.on_step = [&](std::string_view step) {
      ++reached;
      if (step == fatal) throw Killed();
    };
    EXPECT_THROW(test.Build(options), Killed) << fatal;
    EXPECT_FALSE(fs::exists(test.out())) << fatal;
  }
  test.Build(kOptions);
  EXPECT_EQ(Contents(test.out()), Contents(test.folder / "unbroken"));
  // Besides the step "corpus", which looks at its inputs every time, no step was done twice.
  EXPECT_EQ(reached, steps.size() + steps.size() - 1);
}

TEST(Resume, InterruptedBuildsGoOn) {
  TestDatabase test(20, 20);
  BuildUnbroken(test, test.folder / "unbroken", kOptions);
  for (const std::string at : {"corpus", "block 1", "chunks", "index"}) {
    IndexOptions options = kOptions;
    options.on_step = [&](std::string_view step) { SetInterrupted(step == at); };
    EXPECT_ERROR(test.Build(options), ErrorCode::kUnavailable, "");
    SetInterrupted(false);
  }
  test.Build(kOptions);
  EXPECT_EQ(Contents(test.out()), Contents(test.folder / "unbroken"));
}

// The one file, besides the manifest, of a block in a staging folder.
fs::path BlockFile(const fs::path& staging, const std::string& kind, int number) {
  for (const auto& block : fs::directory_iterator(staging / "blocks" / kind)) {
    if (!block.is_directory() || !block.path().filename().string().starts_with(fmt::format("{:05}-", number))) continue;
    for (const auto& file : fs::directory_iterator(block)) {
      if (file.path().filename() != "manifest.json") return file.path();
    }
  }
  return {};
}

TEST(Resume, ADamagedBlockIsEmbeddedAgain) {
  TestDatabase test(20, 20);
  BuildUnbroken(test, test.folder / "unbroken", kOptions);
  IndexOptions options = kOptions;
  options.on_step = [](std::string_view step) {
    if (step == "block 2") throw Killed();
  };
  EXPECT_THROW(test.Build(options), Killed);
  const fs::path block = BlockFile(test.staging(), "embeddings", 1);
  std::string bytes = ReadText(block);
  bytes[bytes.size() / 2] ^= 4;
  WriteText(block, bytes);
  fs::resize_file(BlockFile(test.staging(), "embeddings", 0), 100);
  test.Build(kOptions);
  EXPECT_EQ(Contents(test.out()), Contents(test.folder / "unbroken"));
}

TEST(Resume, WithOtherOptionsTheBuildBeginsAnew) {
  TestDatabase test(20, 20);
  IndexOptions options = kOptions;
  options.on_step = [](std::string_view step) {
    if (step == "index") throw Killed();
  };
  EXPECT_THROW(test.Build(options), Killed);
  IndexOptions other = kOptions;
  other.chunk_len = 20;
  BuildUnbroken(test, test.folder / "unbroken", other);
  test.Build(other);
  EXPECT_EQ(Contents(test.out()), Contents(test.folder / "unbroken"));
}

TEST(Resume, AnOldDatabaseIsServedUntilTheNewOneIsWhole) {
  TestDatabase test(10, 20);
  test.Build(TestDatabase::Options());
  const auto before = Contents(test.out());
  IndexOptions options = kOptions;
  options.on_step = [&](std::string_view) { EXPECT_EQ(Contents(test.out()), before); };
  test.Build(options);
  EXPECT_NE(Contents(test.out()), before);
  EXPECT_FALSE(fs::exists(test.staging()));
}

// The death test runs this program again, so the folder has to have the same name in both processes.
fs::path SharedFolder() {
  constexpr const char* kVariable = "RETRO_KILLED_BUILD_FOLDER";
  setenv(kVariable, (fs::temp_directory_path() / ("retro-killed-" + std::to_string(getpid()))).c_str(), 0);
  return std::getenv(kVariable);
}

TEST(ResumeDeathTest, AProcessThatIsKilledOutrightLosesNothingThatWasDone) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  TestDatabase test(20, 20);
  const fs::path folder = SharedFolder();
  for (const std::string fatal : {"corpus", "block 2", "chunks", "index", "manifest"}) {
    IndexOptions deadly = kOptions;
    deadly.on_step = [&](std::string_view step) {
      if (step == fatal) raise(SIGKILL);
    };
    WriteText(folder / "input.jsonl", RandomDocuments(20, 20));
    EXPECT_EXIT(BuildIndex({folder / "input.jsonl"}, test.tokenizer, *test.embedder, folder / "db", deadly, test.pool),
                ::testing::KilledBySignal(SIGKILL), "")
        << fatal;
  }
  BuildIndex({folder / "input.jsonl"}, test.tokenizer, *test.embedder, folder / "db", kOptions, test.pool);
  BuildIndex({folder / "input.jsonl"}, test.tokenizer, *test.embedder, folder / "unbroken", kOptions, test.pool);
  EXPECT_EQ(Contents(folder / "db"), Contents(folder / "unbroken"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace retro
