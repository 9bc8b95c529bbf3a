#include "model/tensor.h"

#include <array>
#include <bit>
#include <cmath>
#include <map>

#include "model/dequantize.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

using Shape = std::vector<int64_t>;

class OneTensor : public TensorSource {
 public:
  explicit OneTensor(TensorView view) : view_(std::move(view)) {}
  const TensorView* Find(std::string_view name) const override { return name == view_.name ? &view_ : nullptr; }
  std::vector<std::string> Names() const override { return {view_.name}; }
  std::string Describe() const override { return "model.gguf"; }

 private:
  TensorView view_;
};

template <typename T>
TensorView ViewOf(const std::vector<T>& values, DataType type, Shape shape) {
  return {"weights", type, std::move(shape), std::as_bytes(std::span(values))};
}

TEST(Tensor, TheSizeOfAShapeIsItsProductTimesTheElement) {
  EXPECT_EQ(TensorBytes(DataType::kF32, Shape{2, 3}), 24u);
  EXPECT_EQ(TensorBytes(DataType::kF32, Shape{}), 4u);
  EXPECT_EQ(TensorBytes(DataType::kF16, Shape{0, 7}), 0u);
  EXPECT_EQ(TensorBytes(DataType::kQ4_1, Shape{3, 64}), 3u * 2 * 20);
  EXPECT_EQ(TensorBytes(DataType::kQ6_K, Shape{512}), 2u * 210);
}

TEST(Tensor, AShapeThatCannotBeHasNoSize) {
  EXPECT_EQ(TensorBytes(DataType::kF32, Shape{2, -3}), std::nullopt);
  EXPECT_EQ(TensorBytes(DataType::kF32, Shape{int64_t{1} << 62}), std::nullopt);
  EXPECT_EQ(TensorBytes(DataType::kU8, Shape{int64_t{1} << 32, int64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(TensorBytes(DataType::kQ8_0, Shape{32, 31}), std::nullopt);
  EXPECT_EQ(TensorBytes(DataType::kQ4_K, Shape{256, 32}), std::nullopt);
}

TEST(Tensor, EveryHalfWidensAsTheProcessorDoes) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float expected = static_cast<float>(std::bit_cast<_Float16>(half));
    const float widened = HalfToFloat(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(widened)) << bits;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(widened), std::bit_cast<uint32_t>(expected)) << bits;
    }
  }
}

TEST(Tensor, BytesThatAreNotAlignedAreRead) {
  std::vector<char> bytes(1 + 2 * sizeof(float));
  const float values[] = {1.5f, -2.0f};
  std::memcpy(bytes.data() + 1, values, sizeof(values));
  const TensorView view{"weights", DataType::kF32, {2}, std::as_bytes(std::span(bytes)).subspan(1)};
  EXPECT_THAT(Dequantize(view), testing::ElementsAre(1.5f, -2.0f));
}

TEST(Tensor, APartIsDequantizedByWholeBlocks) {
  std::vector<uint16_t> halves;
  for (int i = 0; i < 6; ++i) halves.push_back(std::bit_cast<uint16_t>(static_cast<_Float16>(i)));
  const TensorView view = ViewOf(halves, DataType::kF16, {2, 3});
  std::array<float, 2> out;
  DequantizeTo(view, 3, out);
  EXPECT_THAT(out, testing::ElementsAre(3.0f, 4.0f));
  EXPECT_ERROR(DequantizeTo(view, 5, out), ErrorCode::kInternal, "outside");
  EXPECT_ERROR(DequantizeTo(view, -1, out), ErrorCode::kInternal, "weights");
}

TEST(Tensor, ABlockCannotBeCut) {
  const std::vector<uint8_t> block(34);
  const TensorView view = ViewOf(block, DataType::kQ8_0, {32});
  std::vector<float> out(16);
  EXPECT_ERROR(DequantizeTo(view, 0, out), ErrorCode::kInternal, "whole Q8_0 blocks");
}

TEST(Tensor, IntegersAndDoublesAreNoWeights) {
  const std::vector<int64_t> ids{1, 2};
  EXPECT_ERROR(Dequantize(ViewOf(ids, DataType::kI64, {2})), ErrorCode::kInvalidArgument, "I64");
  const std::vector<double> doubles{1, 2};
  EXPECT_ERROR(Dequantize(ViewOf(doubles, DataType::kF64, {2})), ErrorCode::kInvalidArgument, "F64");
}

TEST(Tensor, GetNamesTheTensorThatIsMissingOrHasAnotherShape) {
  const std::vector<float> values(6);
  const OneTensor source(ViewOf(values, DataType::kF32, {2, 3}));
  EXPECT_EQ(source.Get("weights", Shape{2, 3}).bytes.size(), 24u);
  EXPECT_ERROR(source.Get("bias", Shape{2}), ErrorCode::kCorruption, "model.gguf: tensor bias is missing");
  EXPECT_ERROR(source.Get("weights", Shape{3, 2}), ErrorCode::kCorruption, "has shape [2, 3]");
}

}  // namespace
}  // namespace retro
