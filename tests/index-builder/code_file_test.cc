#include "index-builder/code_file.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/progress.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDim = 16;
constexpr uint64_t kRows = 1000, kFileRows = 150;

class CodeFileTest : public testing::TestWithParam<const char*> {
 protected:
  CodeFileTest() {
    Progress::SetEnabled(false);
    trained_.Train(vectors_);
    trained_.Save(dir_ / "trained");
  }

  std::span<const float> Block(size_t begin) const {
    return std::span(vectors_).subspan(begin * kDim, std::min<size_t>(kFileRows, kRows - begin) * kDim);
  }

  std::vector<fs::path> WriteFiles() const {
    std::vector<fs::path> files;
    for (size_t begin = 0; begin < kRows; begin += kFileRows) {
      files.push_back(dir_ / (std::to_string(begin) + ".codes"));
      WriteCodeFile(files.back(), trained_.Encode(Block(begin)), trained_.code_bytes());
    }
    return files;
  }

  TempDir dir_;
  std::vector<float> vectors_ = RandomUnitVectors(kRows, kDim);
  VectorIndex trained_{kDim, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Kinds, CodeFileTest, testing::Values("IVF16,PQ8x4fs", "IVF16,SQ8"));

TEST_P(CodeFileTest, TheMergedFileIsTheIndexThatAddMakesWithAnyMemory) {
  VectorIndex added = VectorIndex::Load(dir_ / "trained");
  for (size_t begin = 0; begin < kRows; begin += kFileRows) added.Add(Block(begin));
  added.Save(dir_ / "added");
  const std::vector<fs::path> files = WriteFiles();
  for (const size_t memory : {size_t{1}, size_t{3000}, size_t{1} << 20}) {  // one list at a time, a few, all
    MergeCodeFiles(trained_, files, memory, dir_ / "merged");
    EXPECT_EQ(ReadFile(dir_ / "merged"), ReadFile(dir_ / "added")) << memory;
  }
}

TEST_P(CodeFileTest, CodesOfAnotherIndexAreRefused) {
  VectorCodes codes = trained_.Encode(Block(0));
  codes.lists[3] = 16;
  WriteCodeFile(dir_ / "codes", codes, trained_.code_bytes());
  const fs::path file = dir_ / "codes";
  EXPECT_ERROR(MergeCodeFiles(trained_, {&file, 1}, 1 << 20, dir_ / "merged"), ErrorCode::kCorruption,
               "do not belong to this index");
  EXPECT_FALSE(fs::exists(dir_ / "merged"));
}

}  // namespace
}  // namespace retro
