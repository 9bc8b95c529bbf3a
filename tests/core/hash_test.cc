#include "core/hash.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

// Published values of XXH3-64 with seed 0.
TEST(Hash, IsXxh3OfSixtyFourBits) {
  EXPECT_EQ(HashHex(""), "2d06800538d394c2");
  EXPECT_EQ(HashHex("a"), "e6c632b61e964e1f");
  EXPECT_EQ(HashHex("abc"), "78af5f94892f3950");
  EXPECT_EQ(HashBytes("abc"), 0x78af5f94892f3950u);
}

TEST(Hash, TheDigestDoesNotDependOnThePieces) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i);
  for (const size_t piece : {1, 7, 64, 1000, 100000}) {
    Hasher hasher;
    for (size_t at = 0; at < text.size(); at += piece) hasher.Update(std::string_view(text).substr(at, piece));
    EXPECT_EQ(hasher.HexDigest(), HashHex(text));
  }
}

TEST(Hash, AFileHashesAsItsContent) {
  const TempDir dir;
  const std::string text((size_t{1} << 20) + 12345, 'x');  // longer than one read
  std::ofstream(dir / "file") << text;
  EXPECT_EQ(HashFile(dir / "file"), HashHex(text));
  std::ofstream(dir / "empty");
  EXPECT_EQ(HashFile(dir / "empty"), HashHex(""));
}

TEST(Hash, AMissingFileOrAFolderIsNamed) {
  const TempDir dir;
  EXPECT_ERROR(HashFile(dir / "nothing"), ErrorCode::kNotFound, "nothing");
  EXPECT_ERROR(HashFile(dir.path()), ErrorCode::kIo, "is a folder");
}

}  // namespace
}  // namespace retro
