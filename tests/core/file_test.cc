#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

size_t NumEntries(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::string Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, HoldsTheBytesOfTheFileAndMayBeMoved) {
  const TempDir dir;
  std::ofstream(dir / "file") << "content";
  MappedFile first(dir / "file");
  MappedFile second(std::move(first));
  EXPECT_EQ(Text(second), "content");
  EXPECT_TRUE(first.bytes().empty());  // NOLINT(bugprone-use-after-move): what a moved-from map promises
  std::ofstream(dir / "other") << "other";
  second = MappedFile(dir / "other", MappedFile::Access::kSequential);
  EXPECT_EQ(Text(second), "other");
  EXPECT_EQ(second.path(), dir / "other");
}

TEST(MappedFile, AnEmptyFileIsAnEmptySpan) {
  const TempDir dir;
  std::ofstream(dir / "empty");
  EXPECT_TRUE(MappedFile(dir / "empty").bytes().empty());
}

TEST(MappedFile, WhatIsNotAFileIsNamedInTheError) {
  const TempDir dir;
  EXPECT_ERROR(MappedFile(dir / "nothing"), ErrorCode::kNotFound, (dir / "nothing").string());
  EXPECT_ERROR(MappedFile(dir.path()), ErrorCode::kIo, "is a folder");
  EXPECT_ERROR(MappedFile("/dev/null"), ErrorCode::kIo, "not a regular file");
}

TEST(ReadFile, ReturnsTheWholeFileWhateverItsSize) {
  const TempDir dir;
  for (const size_t size : {0, 1, 4095, 4096, 4097, 100000}) {
    const std::string text(size, 'x');
    std::ofstream(dir / "file") << text;
    EXPECT_EQ(ReadFile(dir / "file"), text);
  }
}

TEST(ReadFile, ReadsAPipeToItsEnd) {
  const TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  const std::string text(300000, 'p');
  std::jthread writer([&] { std::ofstream(dir / "pipe") << text; });
  EXPECT_EQ(ReadFile(dir / "pipe"), text);
}

TEST(ReadFile, RefusesMoreThanTheLimitAlsoWhereTheSizeIsNotKnown) {
  const TempDir dir;
  std::ofstream(dir / "file") << "12345";
  EXPECT_EQ(ReadFile(dir / "file", 5), "12345");
  EXPECT_ERROR(ReadFile(dir / "file", 4), ErrorCode::kInvalidArgument, "larger than the 4 bytes");
  EXPECT_ERROR(ReadFile("/dev/zero", 100000), ErrorCode::kInvalidArgument, "/dev/zero is larger");
}

TEST(AtomicFile, AppearsWithItsContentOnFinishAndNotBefore) {
  const TempDir dir;
  AtomicFile file(dir / "file");
  file.Append("Hello, ");
  file.Append(std::as_bytes(std::span(std::string_view("world"))));
  EXPECT_EQ(file.size(), 12u);
  EXPECT_FALSE(fs::exists(dir / "file"));
  file.Finish();
  EXPECT_EQ(ReadFile(dir / "file"), "Hello, world");
  EXPECT_EQ(NumEntries(dir.path()), 1u);
}

TEST(AtomicFile, KeepsTheOrderOfSmallAndLargePieces) {
  const TempDir dir;
  std::string expected;
  AtomicFile file(dir / "file");
  for (const size_t size : {1, 300000, 5, 262144, 262143, 1, 1, 0, 700000, 3}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    file.Append(piece);
    expected += piece;
    EXPECT_EQ(file.size(), expected.size());
  }
  file.Finish();
  EXPECT_EQ(ReadFile(dir / "file"), expected);
}

TEST(AtomicFile, RewritesBytesThatWereAppendedBefore) {
  const TempDir dir;
  AtomicFile file(dir / "file");
  file.Append("0123456789");
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  file.WriteAt(0, bytes("AB"));
  file.Append("tail");
  file.WriteAt(9, bytes("XY"));
  EXPECT_ERROR(file.WriteAt(13, bytes("12")), ErrorCode::kInternal, "rewritten");
  EXPECT_ERROR(file.WriteAt(SIZE_MAX, bytes("12")), ErrorCode::kInternal, "rewritten");
  file.Finish();
  EXPECT_EQ(ReadFile(dir / "file"), "AB2345678XYail");
}

TEST(AtomicFile, WithoutFinishTheOldFileStaysAndNothingElse) {
  const TempDir dir;
  std::ofstream(dir / "file") << "old";
  {
    AtomicFile file(dir / "file");
    file.Append(std::string(1000000, 'n'));
  }
  EXPECT_EQ(ReadFile(dir / "file"), "old");
  EXPECT_EQ(NumEntries(dir.path()), 1u);
}

TEST(AtomicFile, AKilledWriterLeavesTheOldFileAndTheNextOneSucceeds) {
  const TempDir dir;
  std::ofstream(dir / "file") << "old";
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(dir / "file");
    file.Append(std::string(1000000, 'n'));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(ReadFile(dir / "file"), "old");
  WriteFileAtomically(dir / "file", "new");
  EXPECT_EQ(ReadFile(dir / "file"), "new");
  EXPECT_EQ(NumEntries(dir.path()), 1u);
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMix) {
  const TempDir dir;
  AtomicFile first(dir / "file");
  first.Append("first");
  EXPECT_ERROR(AtomicFile(dir / "file"), ErrorCode::kUnavailable, "being written by another job");
  first.Finish();
  WriteFileAtomically(dir / "file", "second");
  EXPECT_EQ(ReadFile(dir / "file"), "second");
}

TEST(AtomicFile, OnAFullDiskTheErrorNamesTheFileAndTheOldOneStays) {
  const TempDir dir;
  std::ofstream(dir / "file") << "old";
  AtomicFile file(dir / "file");
  const FileSizeLimit limit(500000);
  EXPECT_ERROR(file.Append(std::string(1000000, 'n')), ErrorCode::kIo, (dir / "file").string());
  EXPECT_ERROR(file.Finish(), ErrorCode::kInternal, "after a failed write");
  EXPECT_EQ(ReadFile(dir / "file"), "old");
}

TEST(AtomicFile, AFullDiskIsSeenByFinishWhenTheBytesWereStillBuffered) {
  const TempDir dir;
  std::ofstream(dir / "file") << "old";
  AtomicFile file(dir / "file");
  file.Append(std::string(2000, 'n'));
  const FileSizeLimit limit(1000);
  EXPECT_ERROR(file.Finish(), ErrorCode::kIo, "raise the limit on file sizes");
  EXPECT_EQ(ReadFile(dir / "file"), "old");
}

TEST(AtomicFile, IsNotWrittenAfterFinish) {
  const TempDir dir;
  AtomicFile file(dir / "file");
  file.Finish();
  EXPECT_ERROR(file.Append("late"), ErrorCode::kInternal, "after its end");
  EXPECT_ERROR(file.Finish(), ErrorCode::kInternal, "after its end");
}

TEST(AtomicFile, AFolderOrADeviceIsNotReplaced) {
  const TempDir dir;
  EXPECT_ERROR(AtomicFile(dir.path()), ErrorCode::kIo, "not a regular file");
  EXPECT_ERROR(AtomicFile("/dev/null"), ErrorCode::kIo, "not a regular file");
}

TEST(AtomicFile, BehindALinkTheTargetIsReplaced) {
  const TempDir dir;
  MakeDirectories(dir / "real");
  std::ofstream(dir / "real/file") << "old";
  fs::create_symlink(dir / "real/file", dir / "link");
  WriteFileAtomically(dir / "link", "new");
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(ReadFile(dir / "real/file"), "new");
}

TEST(AtomicFile, AFolderThatIsMissingOrCannotBeWrittenIsNamed) {
  const TempDir dir;
  EXPECT_ERROR(AtomicFile(dir / "nowhere/file"), ErrorCode::kNotFound, "nowhere/file");
  std::ofstream(dir / "plain");
  EXPECT_ERROR(AtomicFile(dir / "plain/file"), ErrorCode::kIo, "plain/file");
  if (::geteuid() == 0) return;  // root may write anywhere
  MakeDirectories(dir / "locked");
  fs::permissions(dir / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_ERROR(AtomicFile(dir / "locked/file"), ErrorCode::kIo, "check its owner and permissions");
  fs::permissions(dir / "locked", fs::perms::owner_all);
}

TEST(AtomicFile, ANewFileHasOrdinaryPermissions) {
  const TempDir dir;
  const mode_t old = ::umask(022);
  WriteFileAtomically(dir / "file", "");
  ::umask(old);
  struct stat info;
  ASSERT_EQ(::stat((dir / "file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
}

TEST(MakeDirectories, MakesParentsAndAcceptsWhatIsThere) {
  const TempDir dir;
  MakeDirectories(dir / "a/b/c");
  MakeDirectories(dir / "a/b/c/");
  MakeDirectories(dir / "a/b/../d");
  EXPECT_TRUE(fs::is_directory(dir / "a/b/c"));
  EXPECT_TRUE(fs::is_directory(dir / "a/d"));
}

TEST(MakeDirectories, AFileInTheWayIsNamed) {
  const TempDir dir;
  std::ofstream(dir / "file");
  EXPECT_ERROR(MakeDirectories(dir / "file"), ErrorCode::kIo, (dir / "file").string());
  EXPECT_ERROR(MakeDirectories(dir / "file/below"), ErrorCode::kIo, "file/below");
  EXPECT_ERROR(MakeDirectories(""), ErrorCode::kInvalidArgument, "empty");
}

TEST(FileLock, HoldsOffASecondOneUntilItEnds) {
  const TempDir dir;
  {
    const FileLock lock(dir / "lock");
    EXPECT_ERROR(FileLock(dir / "lock"), ErrorCode::kUnavailable, (dir / "lock").string());
  }
  EXPECT_NO_THROW(FileLock(dir / "lock"));
}

TEST(FileLock, IsFreeAgainWhenItsProcessWasKilled) {
  const TempDir dir;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(dir / "lock");
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_ERROR(FileLock(dir / "lock"), ErrorCode::kUnavailable, "another job");
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_NO_THROW(FileLock(dir / "lock"));
}

TEST(FileLock, APlaceThatCannotHoldALockIsNamed) {
  const TempDir dir;
  EXPECT_ERROR(FileLock(dir / "nowhere/lock"), ErrorCode::kNotFound, "nowhere/lock");
}

}  // namespace
}  // namespace retro
