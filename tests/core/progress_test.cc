#include "core/progress.h"

#include <thread>
#include <vector>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

// Captured, stderr is not a terminal: what is tested is what a log file gets.
template <typename Job>
std::string StderrOf(const Job& job) {
  testing::internal::CaptureStderr();
  job();
  return testing::internal::GetCapturedStderr();
}

TEST(Progress, AJobThatEndsIsSummedUpInOneLine) {
  const std::string text = StderrOf([] {
    Progress progress("embedding", "chunks", 12345);
    for (int i = 0; i < 5; ++i) progress.Add(2469);
    progress.Finish();
    progress.Finish();
  });
  EXPECT_THAT(text, testing::MatchesRegex("embedding: 12,345 chunks in [0-9.]+ s \\([0-9,]+ chunks/s\\)\n"));
}

TEST(Progress, NothingIsWrittenBetweenInAShortJobNorWhenItFails) {
  EXPECT_EQ(StderrOf([] {
              Progress progress("embedding", "chunks", 10);
              progress.Add(5);
            }),
            "");
}

TEST(Progress, IsSilentWhenDisabled) {
  Progress::SetEnabled(false);
  EXPECT_EQ(StderrOf([] {
              Progress progress("embedding", "chunks", 0);
              progress.Add(5);
              progress.Finish();
            }),
            "");
  Progress::SetEnabled(true);
}

TEST(Progress, AddsUpFromManyThreads) {
  const std::string text = StderrOf([] {
    Progress progress("embedding", "chunks", 0);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
          for (int j = 0; j < 1000; ++j) progress.Add(1);
        });
      }
    }
    progress.Finish();
  });
  EXPECT_THAT(text, testing::HasSubstr("4,000 chunks"));
}

TEST(Progress, CountsAndDurationsAreWrittenForPeople) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(FormatDuration(0.04), "0.0 s");
  EXPECT_EQ(FormatDuration(4.21), "4.2 s");
  EXPECT_EQ(FormatDuration(187), "3:07 min");
  EXPECT_EQ(FormatDuration(3723), "1:02:03 h");
}

}  // namespace
}  // namespace retro
