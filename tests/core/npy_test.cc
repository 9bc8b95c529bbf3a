#include "core/npy.h"

#include <fstream>
#include <string>
#include <vector>

#include "core/file.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/overwrite.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// What NumPy 2 writes for np.array([[1, 2], [-0.5, 4]], dtype='<f4').
std::string NumpysFile() {
  std::string file("\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 69);
  file.append(58, ' ');
  return file + std::string("\n\x00\x00\x80?\x00\x00\x00@\x00\x00\x00\xbf\x00\x00\x80@", 17);
}

// A file of version 1 with this header, however wrong, before 16 bytes of data.
void WriteWithHeader(const fs::path& path, const std::string& header) {
  std::string file("\x93NUMPY\x01\x00", 8);
  file += {static_cast<char>(header.size()), '\0'};
  Overwrite(path, file + header + std::string(16, '\0'));
}

TEST(Npy, WritesTheBytesThatNumpyWrites) {
  const TempDir dir;
  WriteNpy(dir / "x.npy", std::vector<float>{1, 2, -0.5, 4}, 2);
  EXPECT_EQ(ReadFile(dir / "x.npy"), NumpysFile());
}

TEST(Npy, ReadsWhatNumpyWrote) {
  const TempDir dir;
  Overwrite(dir / "x.npy", NumpysFile());
  const NpyMatrix matrix = ReadNpy(dir / "x.npy");
  EXPECT_EQ(matrix.num_rows, 2u);
  EXPECT_EQ(matrix.num_columns, 2u);
  EXPECT_EQ(matrix.values, (std::vector<float>{1, 2, -0.5, 4}));
  EXPECT_THAT(matrix.Row(1), testing::ElementsAre(-0.5, 4));
}

TEST(Npy, AVectorIsASingleRowAndNoRowsAreAMatrixToo) {
  const TempDir dir;
  WriteWithHeader(dir / "x.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n");
  EXPECT_EQ(ReadNpy(dir / "x.npy").num_rows, 1u);
  EXPECT_EQ(ReadNpy(dir / "x.npy").num_columns, 4u);
  WriteNpy(dir / "empty.npy", {}, 384);
  EXPECT_EQ(ReadNpy(dir / "empty.npy").num_rows, 0u);
  EXPECT_EQ(ReadNpy(dir / "empty.npy").num_columns, 384u);
}

TEST(Npy, EveryTruncationAndATailAreRefused) {
  const TempDir dir;
  const std::string good = NumpysFile();
  for (size_t size = 0; size < good.size(); ++size) {
    Overwrite(dir / "x.npy", good.substr(0, size));
    EXPECT_ERROR(ReadNpy(dir / "x.npy"), ErrorCode::kCorruption, "x.npy is not a whole .npy file");
  }
  Overwrite(dir / "x.npy", good + "tail");
  EXPECT_ERROR(ReadNpy(dir / "x.npy"), ErrorCode::kCorruption, "2 x 2 values do not take 20 bytes");
}

TEST(Npy, AHeaderThatLiesIsRefused) {
  const TempDir dir;
  const std::string begin = "{'descr': '<f4', 'fortran_order': False, ";
  const std::pair<std::string, std::string> cases[] = {
      {begin + "}", "has no 'shape'"},
      {begin + "'shape': }", "not a tuple"},
      {begin + "'shape': (2, 2", "not a tuple"},
      {begin + "'shape': (-2, 2)}", "something else than numbers"},
      {begin + "'shape': (99999999999999999999, 2)}", "something else than numbers"},
      {begin + "'shape': (2, 3)}", "2 x 3 values do not take 16 bytes"},
      {begin + "'shape': (4611686018427387905, 4)}", "4611686018427387905 x 4 values"},  // 4 values modulo 2^64
      {begin + "'shape': (4611686018427387908, 1)}", "4611686018427387908 x 1 values"},  // 16 bytes modulo 2^64
  };
  for (const auto& [header, message] : cases) {
    WriteWithHeader(dir / "x.npy", header);
    EXPECT_ERROR(ReadNpy(dir / "x.npy"), ErrorCode::kCorruption, message);
  }
}

TEST(Npy, OtherElementsOrdersDimensionsAndVersionsAreToldApartFromDamage) {
  const TempDir dir;
  for (const char* header : {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1)}",
                             "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}"}) {
    WriteWithHeader(dir / "x.npy", header);
    EXPECT_ERROR(ReadNpy(dir / "x.npy"), ErrorCode::kInvalidArgument, "save it as little-endian float32");
  }
  for (const char* shape : {"()", "(2, 2, 1)"}) {
    WriteWithHeader(dir / "x.npy", std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + shape + "}");
    EXPECT_ERROR(ReadNpy(dir / "x.npy"), ErrorCode::kInvalidArgument, "dimensions; a matrix has 2");
  }
  std::string newer = NumpysFile();
  newer[6] = 4;
  Overwrite(dir / "x.npy", newer);
  EXPECT_ERROR(ReadNpy(dir / "x.npy"), ErrorCode::kInvalidArgument, "version 4 is newer");
}

TEST(Npy, ValuesThatAreNotWholeRowsAreNotWritten) {
  const TempDir dir;
  EXPECT_ERROR(WriteNpy(dir / "x.npy", std::vector<float>(5), 2), ErrorCode::kInternal, "not rows of 2");
  EXPECT_ERROR(WriteNpy(dir / "x.npy", std::vector<float>(5), 0), ErrorCode::kInternal, "not rows of 0");
  EXPECT_FALSE(fs::exists(dir / "x.npy"));
}

}  // namespace
}  // namespace retro
