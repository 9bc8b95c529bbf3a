#include "retriever/live_database.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/file.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

constexpr std::chrono::milliseconds kNever{0}, kOften{1};

TEST(LiveDatabase, ARefreshGivesTheNewGenerationAndLeavesTheOldOneToItsReaders) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  LiveDatabase live(test.Open(), kNever);
  const auto reader = live.Current();
  const auto before = test.SearchTexts(*reader, {.k = 50});
  live.Refresh();
  EXPECT_EQ(live.Current(), reader) << "nothing is newer";
  test.Add(NumberedDocuments(10, 5));
  EXPECT_EQ(live.Current(), reader);
  live.Refresh();
  EXPECT_EQ(live.Current()->generation(), 1u);
  EXPECT_EQ(test.SearchTexts(*reader, {.k = 50}), before);
  EXPECT_NE(test.SearchTexts(*live.Current(), {.k = 50}), before);
}

TEST(LiveDatabase, SeesByItselfWhatAnotherMade) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  LiveDatabase live(test.Open(), kOften);
  for (uint64_t generation = 1; generation <= 3; ++generation) {
    test.Remove({.ids = {"doc/" + std::to_string(generation)}, .sources = {}});
    while (live.Current()->generation() != generation) std::this_thread::yield();
  }
}

TEST(LiveDatabase, GoesOnWithTheOldGenerationWhileTheNewOneIsDamaged) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  LiveDatabase live(test.Open(), kOften);
  const std::string good = ReadFile(test.out() / "manifest.json");
  WriteFileAtomically(test.out() / "manifest.json", "damaged");
  EXPECT_ERROR(live.Refresh(), ErrorCode::kCorruption, "manifest.json");
  EXPECT_EQ(live.Current()->generation(), 0u);
  WriteFileAtomically(test.out() / "manifest.json", good);
  live.Refresh();
  test.Add(NumberedDocuments(10, 5));
  while (live.Current()->generation() != 1) std::this_thread::yield();
}

}  // namespace
}  // namespace retro
