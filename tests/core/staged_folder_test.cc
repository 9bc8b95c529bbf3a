#include "core/staged_folder.h"

#include <gtest/gtest.h>

#include "core/manifest.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using Unpublished = StagedFolder::Unpublished;

TEST(StagedFolder, APublishedFolderTakesTheOldOnesPlace) {
  const TempDir temp;
  const fs::path out = temp / "out";
  for (const std::string text : {"old", "new"}) {
    StagedFolder staged(out, Unpublished::kKeep);
    WriteFileAtomically(staged.path() / "file", text);
    Manifest().Save(staged.path());
    staged.Publish();
    EXPECT_EQ(ReadFile(out / "file"), text);
  }
  EXPECT_FALSE(fs::exists(temp / "out.building"));
  EXPECT_FALSE(fs::exists(out / "lock"));
}

TEST(StagedFolder, WhatWasNotPublishedIsKeptOrRemovedAsAsked) {
  const TempDir temp;
  WriteFileAtomically(StagedFolder(temp / "out", Unpublished::kKeep).path() / "file", "half");
  {
    StagedFolder again(temp / "out", Unpublished::kRemove);
    EXPECT_EQ(ReadFile(again.path() / "file"), "half");
  }
  EXPECT_FALSE(fs::exists(temp / "out.building"));
  EXPECT_FALSE(fs::exists(temp / "out"));
}

TEST(StagedFolder, ClearRemovesEverythingOfAnEarlierRun) {
  const TempDir temp;
  StagedFolder staged(temp / "out", Unpublished::kRemove);
  MakeDirectories(staged.path() / "a/b");
  WriteFileAtomically(staged.path() / "a/b/file", "x");
  staged.Clear();
  EXPECT_FALSE(fs::exists(staged.path() / "a"));
  EXPECT_ERROR(StagedFolder(temp / "out", Unpublished::kKeep), ErrorCode::kUnavailable, "out.building");
}

TEST(StagedFolder, AFolderOfForeignFilesIsRefused) {
  const TempDir temp;
  WriteFileAtomically(temp / "mine", "text");
  EXPECT_ERROR(StagedFolder(temp.path(), Unpublished::kKeep), ErrorCode::kInvalidArgument, "no manifest.json");
  EXPECT_ERROR(StagedFolder(temp / "mine", Unpublished::kKeep), ErrorCode::kInvalidArgument, "not a folder");
  EXPECT_ERROR(StagedFolder("/", Unpublished::kKeep), ErrorCode::kInvalidArgument, "inside it");
}

TEST(StagedFolder, AnEmptyFolderMayBeReplacedAndASlashAtTheEndDoesNotMatter) {
  const TempDir temp;
  fs::create_directory(temp / "out");
  StagedFolder staged(temp / "out/", Unpublished::kKeep);
  WriteFileAtomically(staged.path() / "file", "x");
  staged.Publish();
  EXPECT_EQ(ReadFile(temp / "out/file"), "x");
}

}  // namespace
}  // namespace retro
