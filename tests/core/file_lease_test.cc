#include "core/file_lease.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/file_stamp.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

TEST(FileLease, ManyReadersHoldItAndAWriterOnlyAlone) {
  TempDir folder;
  WriteFileAtomically(folder / "file", "x");
  auto one = FileLease::Take(folder / "file"), two = FileLease::Take(folder / "file");
  ASSERT_TRUE(one && two);
  EXPECT_FALSE(FileLease::TakeAlone(folder / "file"));
  one.reset();
  EXPECT_FALSE(FileLease::TakeAlone(folder / "file"));
  two.reset();
  const auto alone = FileLease::TakeAlone(folder / "file");
  ASSERT_TRUE(alone);
  EXPECT_FALSE(FileLease::Take(folder / "file"));  // at once: readers never wait
}

TEST(FileLease, ThereIsNoneOfAFileThatIsNotThere) {
  TempDir folder;
  EXPECT_FALSE(FileLease::Take(folder / "file"));
  EXPECT_FALSE(FileLease::TakeAlone(folder / "nothing/file"));
}

TEST(FileLease, BelongsToTheFileWhateverItsName) {
  TempDir folder;
  WriteFileAtomically(folder / "file", "x");
  std::filesystem::create_hard_link(folder / "file", folder / "second name");
  const auto lease = FileLease::Take(folder / "file");
  WriteFileAtomically(folder / "file", "another file");
  EXPECT_FALSE(FileLease::TakeAlone(folder / "second name"));
  EXPECT_TRUE(FileLease::TakeAlone(folder / "file"));
}

TEST(FileStamp, ChangesWhenAnotherFileTakesThePlace) {
  TempDir folder;
  EXPECT_FALSE(FileStamp::Of(folder / "file"));
  WriteFileAtomically(folder / "file", "x");
  const auto first = FileStamp::Of(folder / "file");
  ASSERT_TRUE(first);
  EXPECT_EQ(first, FileStamp::Of(folder / "file"));
  WriteFileAtomically(folder / "file", "x");
  EXPECT_NE(first, FileStamp::Of(folder / "file"));
}

}  // namespace
}  // namespace retro
