#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "core/thread_pool.h"
#include "model/dequantize.h"
#include "model/kernels/half.h"
#include "model/kernels/matmul.h"
#include "tests/model/kernels_testing.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

class PackedMatrixTest : public testing::Test {
 protected:
  std::vector<float> Rows(const PackedMatrix& matrix) {
    std::vector<float> rows(matrix.num_outputs() * matrix.num_inputs());
    for (int64_t i = 0; i < matrix.num_outputs(); ++i) {
      matrix.CopyRow(i, std::span(rows).subspan(i * matrix.num_inputs(), matrix.num_inputs()));
    }
    return rows;
  }
  ThreadPool pool_{2};
};

TEST_F(PackedMatrixTest, RowsAreExactlyTheFilesValues) {
  for (const DataType type :
       {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kQ8_0, DataType::kQ4_0, DataType::kQ4_1,
        DataType::kQ5_0, DataType::kQ5_1, DataType::kQ4_K, DataType::kQ5_K, DataType::kQ6_K}) {
    SCOPED_TRACE(DataTypeName(type));
    const OwnedTensor tensor = RandomTensor(type, 35, 512, 1);
    const TensorView* views[] = {&tensor.view};
    const PackedMatrix matrix(views, false, WeightPrecision::kAsStored, pool_);
    EXPECT_EQ(matrix.num_outputs(), 35);
    EXPECT_EQ(matrix.num_inputs(), 512);
    EXPECT_EQ(Rows(matrix), Dequantize(tensor.view));
  }
}

TEST_F(PackedMatrixTest, QuantizedWeightsStaySmall) {
  const OwnedTensor q4 = RandomTensor(DataType::kQ4_1, 64, 512, 1), q8 = RandomTensor(DataType::kQ8_0, 64, 512, 1);
  const TensorView* q4_views[] = {&q4.view};
  const TensorView* q8_views[] = {&q8.view};
  EXPECT_EQ(PackedMatrix(q4_views, false, WeightPrecision::kAsStored, pool_).bytes(), q4.bytes.size());
  EXPECT_EQ(PackedMatrix(q8_views, false, WeightPrecision::kInt8, pool_).bytes(), q8.bytes.size());
}

TEST_F(PackedMatrixTest, StacksTensorsAlongTheOutputs) {
  const OwnedTensor q = RandomTensor(DataType::kF32, 20, 33, 1), k = RandomTensor(DataType::kF32, 7, 33, 2),
                    v = RandomTensor(DataType::kF32, 7, 33, 3);
  const TensorView* views[] = {&q.view, &k.view, &v.view};
  std::vector<float> expected = Dequantize(q.view);
  for (const OwnedTensor* part : {&k, &v}) {
    const auto values = Dequantize(part->view);
    expected.insert(expected.end(), values.begin(), values.end());
  }
  EXPECT_EQ(Rows(PackedMatrix(views, false, WeightPrecision::kAsStored, pool_)), expected);
}

TEST_F(PackedMatrixTest, StacksTransposedTensors) {
  const OwnedTensor a = RandomTensor(DataType::kF32, 5, 20, 1), b = RandomTensor(DataType::kF16, 5, 9, 2);
  const TensorView* views[] = {&a.view, &b.view};
  const PackedMatrix matrix(views, true, WeightPrecision::kAsStored, pool_);
  ASSERT_EQ(matrix.num_outputs(), 29);
  ASSERT_EQ(matrix.num_inputs(), 5);
  const auto rows = Rows(matrix), a_values = Dequantize(a.view), b_values = Dequantize(b.view);
  for (int64_t i = 0; i < 29; ++i) {
    for (int64_t k = 0; k < 5; ++k) {
      ASSERT_EQ(rows[i * 5 + k], i < 20 ? a_values[k * 20 + i] : b_values[k * 9 + i - 20]) << i << ", " << k;
    }
  }
}

TEST_F(PackedMatrixTest, RefusesWhatDoesNotFitAndNamesTheTensor) {
  const auto pack = [&](std::vector<TensorView> tensors, bool transposed) {
    std::vector<const TensorView*> views;
    for (const TensorView& tensor : tensors) views.push_back(&tensor);
    return PackedMatrix(views, transposed, WeightPrecision::kAsStored, pool_);
  };
  const OwnedTensor narrow = RandomTensor(DataType::kF32, 4, 32, 1), wide = RandomTensor(DataType::kF32, 4, 64, 1),
                    q8 = RandomTensor(DataType::kQ8_0, 4, 64, 1), q4 = RandomTensor(DataType::kQ4_0, 4, 64, 1);
  TensorView vector = narrow.view, cut = q4.view, numbers = narrow.view;
  vector.shape = {128};
  vector.name = "vector.weight";
  cut.bytes = cut.bytes.first(cut.bytes.size() - 1);
  numbers.type = DataType::kI32;
  EXPECT_ERROR(pack({}, false), ErrorCode::kInvalidArgument, "no tensor");
  EXPECT_ERROR(pack({vector}, false), ErrorCode::kInvalidArgument, "vector.weight");
  EXPECT_ERROR(pack({numbers}, false), ErrorCode::kInvalidArgument, "I32");
  EXPECT_ERROR(pack({narrow.view, wide.view}, false), ErrorCode::kInvalidArgument, "32 and 64 inputs");
  EXPECT_ERROR(pack({q8.view, q4.view}, false), ErrorCode::kInvalidArgument, "Q8_0 and Q4_0");
  EXPECT_ERROR(pack({wide.view, q4.view}, false), ErrorCode::kInvalidArgument, "F32 and Q4_0");
  EXPECT_ERROR(pack({q4.view}, true), ErrorCode::kInvalidArgument, "transpose");
  EXPECT_ERROR(pack({cut}, false), ErrorCode::kCorruption, "Q4_0");
}

TEST_F(PackedMatrixTest, Int8OfNumbersThatAreNotFiniteIsNotANumber) {
  std::vector<float> values(2 * 64, 1.0f);
  values[40] = std::numeric_limits<float>::infinity();
  const OwnedTensor tensor = FloatTensor(2, 64, values);
  const TensorView* views[] = {&tensor.view};
  const auto rows = Rows(PackedMatrix(views, false, WeightPrecision::kInt8, pool_));
  EXPECT_FLOAT_EQ(rows[0], 1.0f);
  EXPECT_TRUE(std::isnan(rows[40]));
  EXPECT_FLOAT_EQ(rows[64 + 40], 1.0f);
}

TEST(Half, EveryHalfComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = HalfToFloat(static_cast<uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(kernels::FloatToHalf(value))));
    } else {
      ASSERT_EQ(kernels::FloatToHalf(value), half);
    }
  }
}

}  // namespace
}  // namespace retro
