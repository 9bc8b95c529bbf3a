// Products against plain loops in double precision, for every instruction set of this machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"
#include "model/kernels/matmul.h"
#include "tests/model/kernels_testing.h"

namespace retro {
namespace {

constexpr DataType kAllTypes[] = {DataType::kF32,  DataType::kF16,  DataType::kBF16, DataType::kQ8_0,
                                  DataType::kQ4_0, DataType::kQ4_1, DataType::kQ5_0, DataType::kQ5_1,
                                  DataType::kQ4_K, DataType::kQ5_K, DataType::kQ6_K};

PackedMatrix Pack(const TensorView& tensor, ThreadPool& pool, bool transposed = false,
                  WeightPrecision precision = WeightPrecision::kAsStored) {
  const TensorView* views[] = {&tensor};
  return PackedMatrix(views, transposed, precision, pool);
}

double Activate(Activation activation, double v) {
  switch (activation) {
    case Activation::kGelu:
      return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    default:
      return v;
  }
}

// Everything about one product, and what it must give.
struct ProductCase {
  int64_t rows, outputs, inputs;
  std::vector<float> x, weights, bias;
  int64_t x_stride, y_stride;
  Epilogue epilogue;

  ProductCase(int64_t num_rows, int64_t num_outputs, int64_t num_inputs, std::vector<float> weight_values)
      : rows(num_rows),
        outputs(num_outputs),
        inputs(num_inputs),
        x(RandomFloats(num_rows * (num_inputs + 3), 7)),
        weights(std::move(weight_values)),
        bias(RandomFloats(num_outputs, 9)),
        x_stride(num_inputs + 3),
        y_stride(num_outputs + 2) {}

  double Sum(int64_t row, int64_t output, bool magnitudes) const {
    double sum = epilogue.bias == nullptr ? 0 : bias[output];
    for (int64_t k = 0; k < inputs; ++k) {
      const double product = static_cast<double>(x[row * x_stride + k]) * weights[output * inputs + k];
      sum += magnitudes ? std::abs(product) : product;
    }
    return sum;
  }

  double Expected(int64_t row, int64_t column) const {
    if (epilogue.activation != Activation::kSiluGate) return Activate(epilogue.activation, Sum(row, column, false));
    const double gate = Sum(row, 2 * column, false);
    return gate / (1 + std::exp(-gate)) * Sum(row, 2 * column + 1, false);
  }

  // `tolerance`: of the sum of the products' magnitudes.
  void Check(const kernels::KernelTable& kernels, const PackedMatrix& packed, ThreadPool& pool,
             double tolerance) const {
    const std::vector<float> before = RandomFloats(rows * y_stride, 11);
    std::vector<float> y = before;
    kernels::MatMul(kernels, x.data(), rows, x_stride, packed, y.data(), y_stride, epilogue, pool);
    const int64_t columns = epilogue.activation == Activation::kSiluGate ? outputs / 2 : outputs;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < y_stride; ++column) {
        const int64_t at = row * y_stride + column;
        if (column >= columns) {
          ASSERT_EQ(y[at], before[at]) << "beyond the columns of row " << row;
          continue;
        }
        const double expected = Expected(row, column) + (epilogue.add_to_output ? before[at] : 0);
        const double limit = epilogue.activation == Activation::kSiluGate
                                 ? Sum(row, 2 * column, true) * (1 + Sum(row, 2 * column + 1, true))
                                 : 1 + Sum(row, column, true);
        ASSERT_NEAR(y[at], expected, tolerance * limit)
            << rows << " x " << outputs << " x " << inputs << ", row " << row << ", column " << column;
      }
    }
  }
};

class MatMulTest : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  ThreadPool one_{1}, three_{3};
};
INSTANTIATE_TEST_SUITE_P(InstructionSets, MatMulTest, testing::ValuesIn(AllKernels()), KernelsName);

TEST_P(MatMulTest, FloatsOfAnyShape) {
  for (const int64_t rows : {1, 2, 3, 5, 6, 7, 8, 13, 24, 25, 121}) {
    for (const auto& [outputs, inputs] : {std::pair{1, 1}, {15, 3}, {16, 16}, {17, 37}, {50, 257}, {130, 515}}) {
      const auto weights = RandomFloats(outputs * inputs, 3);
      const ProductCase test(rows, outputs, inputs, weights);
      const OwnedTensor tensor = FloatTensor(outputs, inputs, weights);
      test.Check(*GetParam(), Pack(tensor.view, one_), rows % 2 == 0 ? one_ : three_, 1e-6);
    }
  }
}

TEST_P(MatMulTest, EveryFormatAsItsFileHasIt) {
  for (const DataType type : kAllTypes) {
    SCOPED_TRACE(DataTypeName(type));
    for (const auto& [outputs, inputs] : {std::pair{3, 256}, {37, 768}}) {
      const OwnedTensor tensor = RandomTensor(type, outputs, inputs, 5);
      const PackedMatrix packed = Pack(tensor.view, three_);
      for (const int64_t rows : {1, 2, 4, 5, 9, 12, 13, 40}) {
        ProductCase(rows, outputs, inputs, Dequantize(tensor.view)).Check(*GetParam(), packed, three_, 2e-5);
      }
    }
  }
}

TEST_P(MatMulTest, QuantizedInputsThatAreNoMultipleOfTheTilesDepth) {
  for (const DataType type : {DataType::kQ8_0, DataType::kQ4_0, DataType::kQ4_1, DataType::kQ5_0, DataType::kQ5_1}) {
    SCOPED_TRACE(DataTypeName(type));
    const OwnedTensor tensor = RandomTensor(type, 18, 288 + 32, 6);
    const PackedMatrix packed = Pack(tensor.view, one_);
    for (const int64_t rows : {1, 14}) {
      ProductCase(rows, 18, 288 + 32, Dequantize(tensor.view)).Check(*GetParam(), packed, one_, 2e-5);
    }
  }
}

TEST_P(MatMulTest, EveryEpilogueOnEveryPath) {
  const int64_t outputs = 38, inputs = 64;
  const OwnedTensor floats = RandomTensor(DataType::kF32, outputs, inputs, 13);
  const OwnedTensor quantized = RandomTensor(DataType::kQ4_1, outputs, inputs, 14);
  for (const OwnedTensor* tensor : {&floats, &quantized}) {
    const PackedMatrix packed = Pack(tensor->view, one_);
    for (const int64_t rows : {1, 11, 30}) {
      ProductCase test(rows, outputs, inputs, Dequantize(tensor->view));
      for (const bool biased : {false, true}) {
        test.epilogue = {.bias = biased ? test.bias.data() : nullptr, .add_to_output = true};
        test.Check(*GetParam(), packed, three_, 2e-5);
        for (const Activation activation :
             {Activation::kNone, Activation::kGelu, Activation::kGeluTanh, Activation::kSiluGate}) {
          SCOPED_TRACE(static_cast<int>(activation));
          test.epilogue = {.bias = biased ? test.bias.data() : nullptr, .activation = activation};
          test.Check(*GetParam(), packed, three_, 2e-5);
        }
      }
    }
  }
}

// More rows than are held as integers at a time.
TEST_P(MatMulTest, AddendsGoWithTheirRowsHoweverManyTheseAre) {
  constexpr int64_t kRows = 1000, kOutputs = 16, kInputs = 32;
  const OwnedTensor tensor = RandomTensor(DataType::kQ8_0, kOutputs, kInputs, 5);
  const PackedMatrix packed = Pack(tensor.view, one_);
  const auto x = RandomFloats(kRows * kInputs, 7), addend = RandomFloats(kRows * kOutputs, 9);
  std::vector<float> plain(kRows * kOutputs), added = plain;
  kernels::MatMul(*GetParam(), x.data(), kRows, kInputs, packed, plain.data(), kOutputs, {}, one_);
  kernels::MatMul(*GetParam(), x.data(), kRows, kInputs, packed, added.data(), kOutputs,
                  {.addend = addend.data(), .addend_stride = kOutputs}, three_);
  for (int64_t i = 0; i < kRows * kOutputs; ++i) ASSERT_FLOAT_EQ(added[i], plain[i] + addend[i]) << i / kOutputs;
}

// With the identity as weights, y is the activation of x.
TEST_P(MatMulTest, GeluIsExactToAMillionth) {
  constexpr int64_t kWidth = 512;
  std::vector<float> identity(kWidth * kWidth), x(kWidth), y(kWidth);
  for (int64_t i = 0; i < kWidth; ++i) {
    identity[i * kWidth + i] = 1;
    x[i] = static_cast<float>(i - kWidth / 2) / 40;
  }
  x.front() = -1000;
  x.back() = 1000;
  const OwnedTensor tensor = FloatTensor(kWidth, kWidth, identity);
  const PackedMatrix packed = Pack(tensor.view, one_);
  for (const Activation activation : {Activation::kGelu, Activation::kGeluTanh}) {
    kernels::MatMul(*GetParam(), x.data(), 1, kWidth, packed, y.data(), kWidth, {.activation = activation}, one_);
    for (int64_t i = 0; i < kWidth; ++i) {
      const double expected = Activate(activation, x[i]);
      ASSERT_NEAR(y[i], expected, 1e-6 + 2e-7 * std::abs(expected)) << x[i];
    }
  }
}

TEST_P(MatMulTest, GroupsOfZerosAndOfVerySmallInputs) {
  const OwnedTensor tensor = RandomTensor(DataType::kQ8_0, 16, 96, 21);
  const PackedMatrix packed = Pack(tensor.view, one_);
  std::vector<float> x(96), y(16, 5.0f);
  kernels::MatMul(*GetParam(), x.data(), 1, 96, packed, y.data(), 16, {}, one_);
  EXPECT_EQ(y, std::vector<float>(16));
  std::fill_n(x.begin() + 32, 32, 1e-38f);
  kernels::MatMul(*GetParam(), x.data(), 1, 96, packed, y.data(), 16, {}, one_);
  for (const float value : y) EXPECT_NEAR(value, 0, 1e-30);
}

TEST_P(MatMulTest, Int8KeepsHalfAStepOfEachGroupsLargest) {
  for (const bool transposed : {false, true}) {
    const int64_t outputs = 21, inputs = 100;  // the last group has 4 inputs
    const auto weights = RandomFloats(outputs * inputs, 23);
    std::vector<float> stored = weights;
    if (transposed) {
      for (int64_t i = 0; i < outputs; ++i) {
        for (int64_t k = 0; k < inputs; ++k) stored[k * outputs + i] = weights[i * inputs + k];
      }
    }
    const OwnedTensor tensor = FloatTensor(transposed ? inputs : outputs, transposed ? outputs : inputs, stored);
    const PackedMatrix packed = Pack(tensor.view, one_, transposed, WeightPrecision::kInt8);
    EXPECT_LT(packed.bytes(), 32 * 128 * 1.2);
    std::vector<float> rounded(outputs * inputs);
    for (int64_t i = 0; i < outputs; ++i) packed.CopyRow(i, std::span(rounded).subspan(i * inputs, inputs));
    for (size_t i = 0; i < rounded.size(); ++i) ASSERT_NEAR(rounded[i], weights[i], 5.0 / 127 / 2);
    for (const int64_t rows : {1, 20})
      ProductCase(rows, outputs, inputs, rounded).Check(*GetParam(), packed, one_, 2e-5);
  }
}

TEST_P(MatMulTest, ARowDoesNotDependOnThoseBesideIt) {
  const int64_t outputs = 150, inputs = 512;
  const auto x = RandomFloats(200 * inputs, 31);
  for (const DataType type : kAllTypes) {
    SCOPED_TRACE(DataTypeName(type));
    const OwnedTensor tensor = RandomTensor(type, outputs, inputs, 32);
    const PackedMatrix packed = Pack(tensor.view, one_);
    std::vector<float> all(200 * outputs), some(200 * outputs);
    kernels::MatMul(*GetParam(), x.data(), 200, inputs, packed, all.data(), outputs, {}, three_);
    for (int64_t count = 1, row = 0; row + count <= 200; row += count++) {
      kernels::MatMul(*GetParam(), x.data() + row * inputs, count, inputs, packed, some.data(), outputs, {},
                      count % 2 == 0 ? one_ : three_);
      ASSERT_TRUE(std::equal(some.begin(), some.begin() + count * outputs, all.begin() + row * outputs))
          << count << " rows from " << row;
    }
  }
}

TEST_P(MatMulTest, NoRowsWriteNothing) {
  const OwnedTensor tensor = RandomTensor(DataType::kF32, 16, 16, 21);
  kernels::MatMul(*GetParam(), nullptr, 0, 16, Pack(tensor.view, one_), nullptr, 16, {}, one_);
}

}  // namespace
}  // namespace retro
