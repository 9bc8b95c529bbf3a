// Processes that build are killed at random moments, over all stages; what becomes of the database in the end is that
// of an unbroken build.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <random>

#include "core/error.h"
#include "core/log.h"
#include "tests/index-builder/test_database.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

constexpr int kKills = 50;
const IndexOptions kKilledOptions{
    .chunk_len = 16, .factory = "IVF4,PQ16x4fs", .keep_embeddings = true, .block_chunks = 16};

struct Outcome {
  bool killed = false, succeeded = false;
  std::chrono::microseconds took{0};
};

// Runs `work` in a process of its own, which gets SIGKILL after so many microseconds (0: never). The parent has no
// threads, so that a fork is a whole process.
Outcome RunInChild(std::chrono::microseconds limit, const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    timer_t timer;
    const itimerspec when{.it_interval = {}, .it_value = {limit.count() / 1'000'000, limit.count() % 1'000'000 * 1000}};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &when, nullptr) != 0) _exit(2);
    try {
      work();
    } catch (const Error& error) {
      _exit(error.code() == ErrorCode::kNotFound ? 0 : 1);  // a stage before this one was killed
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  return {WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, WIFEXITED(status) && WEXITSTATUS(status) == 0, took};
}

struct KilledBuild {
  TempDir folder;
  fs::path input = folder / "input.jsonl", out = folder / "db";

  KilledBuild() {
    Progress::SetEnabled(false);
    spdlog::set_level(spdlog::level::err);
    WriteText(input, RandomDocuments(20, 20));
  }

  void Build(const fs::path& to) const {
    ThreadPool pool(2);
    BuildIndex({input}, ByteTokenizer(), *MakeHashingEmbedder(), to, kKilledOptions, pool);
  }
  void Work(BuildStage stage, const BuildShare& share) const {
    ThreadPool pool(2);
    BuildIndexStage({input}, ByteTokenizer(), *MakeHashingEmbedder(), out, kKilledOptions, stage, share, pool);
  }
};

size_t NumThreads() {
  const fs::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST(KillBuild, FiftyRandomKillsChangeNothing) {
  if (NumThreads() > 1)
    GTEST_SKIP() << "earlier tests left threads of OpenMP, which no fork has: run it alone, as ctest";
  const KilledBuild test;
  const Outcome unbroken = RunInChild({}, [&] { test.Build(test.folder / "unbroken"); });
  ASSERT_TRUE(unbroken.succeeded);
  const auto expected = Contents(test.folder / "unbroken");
  std::mt19937 random(7);
  int kills = 0, finished = 0;
  while (kills < kKills || finished == 0) {
    const std::chrono::microseconds limit(1 + random() % unbroken.took.count());
    const auto stage = static_cast<BuildStage>(random() % 5);
    const BuildShare share{static_cast<uint32_t>(random() % 2), 2};
    const bool as_worker = random() % 2 == 0;
    const Outcome outcome = RunInChild(kills < kKills ? limit : std::chrono::microseconds(0),
                                       [&] { as_worker ? test.Work(stage, share) : test.Build(test.out); });
    ASSERT_TRUE(outcome.killed || outcome.succeeded) << "after " << kills << " kills";
    kills += outcome.killed;
    if (!fs::exists(test.out)) continue;
    ++finished;
    ASSERT_EQ(Contents(test.out), expected) << "after " << kills << " kills";
    fs::remove_all(test.out);
  }
}

}  // namespace
}  // namespace retro
