#include "training/tensorboard_writer.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

// The check value of the catalogue of CRCs, and the vectors of RFC 3720, B.4.
TEST(Crc32c, HasThePublishedValues) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(TensorboardWriter, WritesTheBytesOfTensorboardsOwnWriter) {
  const TempDir folder;
  TensorboardWriter writer(folder.path(), 101, 1700000000.25);
  const std::vector<Scalar> train = {{"train/loss", 3.25f}, {"train/lr", 3e-4f}};
  writer.Add(101, 1700000001.5, train);
  const std::string tag = "valid/" + std::string(200, 'x');
  const std::vector<Scalar> valid = {{tag, -1e-20f}};
  writer.Add(5'000'000'000, 1700000002.0, valid);
  EXPECT_EQ(ReadText(writer.path()), ReadText(GoldenFolder("tensorboard") / "events.bin"));
}

TEST(TensorboardWriter, TwoRunsOfOneSecondHaveTwoFiles) {
  const TempDir folder;
  const TensorboardWriter first(folder.path(), 0, 1.0), second(folder.path(), 5, 1.0);
  EXPECT_NE(first.path(), second.path());
  EXPECT_TRUE(first.path().filename().string().starts_with("events.out.tfevents.0000000001."));
}

TEST(TensorboardWriter, AFolderThatCannotBeMadeIsNamed) {
  const TempDir folder;
  WriteText(folder / "file", "");
  EXPECT_ERROR(TensorboardWriter(folder / "file", 0, 1.0), ErrorCode::kIo, (folder / "file").string());
}

}  // namespace
}  // namespace retro
