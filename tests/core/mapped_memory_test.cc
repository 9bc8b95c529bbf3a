#include "core/mapped_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>

#include "core/file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr size_t kFileBytes = size_t{8} << 20;

class MappedMemoryTest : public testing::Test {
 protected:
  MappedMemoryTest() {
    WriteFileAtomically(dir_ / "file", std::string(kFileBytes, 'x'));
    if (ResidentMappedBytes() == 0) ADD_FAILURE() << "/proc/self/statm is missing";
  }

  static int64_t Touch(const MappedFile& file) {
    return std::count(file.bytes().begin(), file.bytes().end(), std::byte{'x'});
  }

  TempDir dir_;
};

TEST_F(MappedMemoryTest, PagesBeyondTheLimitAreGivenBackAndCanBeReadAgain) {
  const MappedFile file(dir_ / "file");
  const size_t before = ResidentMappedBytes();
  const MappedMemoryLimit limit(kFileBytes / 4);
  EXPECT_EQ(Touch(file), kFileBytes);
  while (ResidentMappedBytes() > before + kFileBytes / 2) std::this_thread::yield();  // the test's timeout ends it
  EXPECT_EQ(Touch(file), kFileBytes);
}

TEST_F(MappedMemoryTest, WithinTheLimitAndWithoutOnePagesStay) {
  const MappedFile file(dir_ / "file");
  const size_t before = ResidentMappedBytes();
  EXPECT_EQ(Touch(file), kFileBytes);
  EXPECT_GE(ResidentMappedBytes(), before + kFileBytes / 2);
  const MappedMemoryLimit limit(kFileBytes);
  EXPECT_EQ(Touch(file), kFileBytes);
  EXPECT_GE(ResidentMappedBytes(), before + kFileBytes / 2);
}

TEST_F(MappedMemoryTest, FilesMayBeUnmappedAndMovedWhileALimitIsKept) {
  const MappedMemoryLimit limit(0);
  for (int i = 0; i < 5; ++i) {
    MappedFile file(dir_ / "file");
    const MappedFile moved = std::move(file);
    EXPECT_EQ(Touch(moved), kFileBytes);
  }
}

}  // namespace
}  // namespace retro
