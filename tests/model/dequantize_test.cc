#include "model/dequantize.h"

#include <bit>

#include "model/gguf.h"
#include "model/safetensors.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

const std::filesystem::path kGoldenQuantization = std::filesystem::path(RETRO_SOURCE_DIR) / "tests/golden/quantization";

class DequantizeGolden : public testing::TestWithParam<DataType> {};

TEST_P(DequantizeGolden, BlocksWidenBitForBitAsTheReferenceDoes) {
  const GgufFile blocks(kGoldenQuantization / "blocks.gguf");
  const SafetensorsFile golden(kGoldenQuantization / "expected.safetensors");
  const TensorView* stored = blocks.Find(DataTypeName(GetParam()));
  const TensorView* expected = golden.Find(DataTypeName(GetParam()));
  ASSERT_NE(stored, nullptr);
  ASSERT_NE(expected, nullptr);
  EXPECT_EQ(stored->type, GetParam());
  EXPECT_EQ(stored->shape, expected->shape);
  const std::vector<float> widened = Dequantize(*stored);
  const std::vector<float> wanted = Dequantize(*expected);
  ASSERT_EQ(widened.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(widened[i], wanted[i]) << "element " << i;
}

TEST_P(DequantizeGolden, APartEqualsTheSamePartOfTheWhole) {
  const GgufFile blocks(kGoldenQuantization / "blocks.gguf");
  const TensorView* stored = blocks.Find(DataTypeName(GetParam()));
  ASSERT_NE(stored, nullptr);
  const std::vector<float> whole = Dequantize(*stored);
  const size_t elements = BlockElements(GetParam());
  std::vector<float> part(elements);
  DequantizeTo(*stored, static_cast<int64_t>(elements), part);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(elements)));
}

INSTANTIATE_TEST_SUITE_P(EveryType, DequantizeGolden,
                         testing::Values(DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kQ8_0,
                                         DataType::kQ4_0, DataType::kQ4_1, DataType::kQ5_0, DataType::kQ5_1,
                                         DataType::kQ4_K, DataType::kQ5_K, DataType::kQ6_K),
                         [](const auto& parameter) { return std::string(DataTypeName(parameter.param)); });

}  // namespace
}  // namespace retro
