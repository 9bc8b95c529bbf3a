#include "training/run_folder.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

TEST(RunFolder, WhatARunThatWasKilledAsItBeganLeftIsNoHindrance) {
  TempDir folder;
  WriteFileAtomically(folder / "lock", "");
  WriteFileAtomically(folder / "options.json.tmp", "{");
  const RunFolder run(folder.path());
  EXPECT_FALSE(run.NewestGood().has_value());
}

TEST(RunFolder, AFolderOfOtherFilesIsRefused) {
  TempDir folder;
  WriteFileAtomically(folder / "letter.txt", "x");
  EXPECT_ERROR(RunFolder(folder.path()), ErrorCode::kInvalidArgument, "no training run made");
}

}  // namespace
}  // namespace retro
