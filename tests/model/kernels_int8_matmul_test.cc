// Products in 8 bits, for every instruction set of this machine: against the same quantization written plainly, and
// against the products that they stand for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"
#include "model/kernels/int8_matmul.h"
#include "tests/model/kernels_testing.h"

namespace retro {
namespace {

using kernels::kInt8Group;

// What a group's values become: minimum + scale * q, all in double.
std::vector<double> QuantizedValues(std::span<const float> x) {
  const auto [low, high] = std::ranges::minmax(x);
  const double scale = (static_cast<double>(high) - low) / 255;
  std::vector<double> values;
  for (const float v : x) values.push_back(scale == 0 ? low : low + scale * std::nearbyint((v - low) / scale));
  return values;
}

std::vector<double> QuantizedWeights(std::span<const float> weights) {
  double largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(static_cast<double>(weight)));
  std::vector<double> values;
  for (const float weight : weights) {
    values.push_back(largest == 0 ? 0 : largest / 127 * std::nearbyint(weight * 127 / largest));
  }
  return values;
}

class Int8MatMulTest : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  std::vector<float> Run(const std::vector<float>& x, int64_t rows, const Int8Matrix& matrix, ThreadPool& pool,
                         const Epilogue& epilogue = {}, std::vector<float> y = {}) {
    y.resize(rows * matrix.num_outputs());
    kernels::MatMul(*GetParam(), x.data(), rows, matrix.num_inputs(), matrix, y.data(), matrix.num_outputs(), epilogue,
                    pool);
    return y;
  }

  ThreadPool one_{1}, three_{3};
};
INSTANTIATE_TEST_SUITE_P(InstructionSets, Int8MatMulTest, testing::ValuesIn(AllKernels()), KernelsName);

// A value half way between two steps may be rounded to either: one step of x times the largest weight, for a few.
TEST_P(Int8MatMulTest, AgreesWithThePlainlyQuantizedProductAtAnyShape) {
  for (const auto& [outputs, inputs] : {std::pair<int64_t, int64_t>{1, 1}, {15, 3}, {17, 37}, {32, 128}, {50, 300}}) {
    const auto weights = RandomFloats(outputs * inputs, 3);
    const Int8Matrix matrix(weights, outputs, inputs, one_);
    for (const int64_t rows : {1, 2, 5, 12, 13, 121, 970}) {
      const auto x = RandomFloats(rows * inputs, 7);
      const auto y = Run(x, rows, matrix, rows % 2 == 0 ? one_ : three_);
      for (int64_t row = 0; row < rows; row += std::max<int64_t>(1, rows / 11)) {
        for (int64_t output = 0; output < outputs; ++output) {
          double expected = 0, magnitude = 0, step = 0;
          for (int64_t begin = 0; begin < inputs; begin += kInt8Group) {
            const auto count = static_cast<size_t>(std::min(kInt8Group, inputs - begin));
            const auto group = std::span(x).subspan(row * inputs + begin, count);
            const auto a = QuantizedValues(group);
            const auto b = QuantizedWeights(std::span(weights).subspan(output * inputs + begin, count));
            const auto [low, high] = std::ranges::minmax(group);
            step = std::max(step, (static_cast<double>(high) - low) / 255 * std::abs(*std::ranges::max_element(b)));
            for (size_t k = 0; k < count; ++k) {
              expected += a[k] * b[k];
              magnitude += std::abs(a[k] * b[k]);
            }
          }
          const double error = std::abs(y[row * outputs + output] - expected);
          ASSERT_LE(error, 2e-6 * magnitude + step) << rows << " x " << outputs << " x " << inputs;
        }
      }
    }
  }
}

// x of whole numbers from 0 to 255 and weights of those from -127 to 127 are held exactly, and so must be the product:
// also where every sum is as large as it can be, which 16-bit sums of pairs are not.
TEST_P(Int8MatMulTest, WholeNumbersAreExact) {
  constexpr int64_t kRows = 14, kOutputs = 33, kInputs = 384;
  std::mt19937 random(5);
  std::vector<float> x(kRows * kInputs), weights(kOutputs * kInputs);
  for (float& v : x) v = static_cast<float>(random() % 256);
  for (float& w : weights) w = static_cast<float>(static_cast<int>(random() % 255) - 127);
  std::fill_n(x.begin(), kInputs, 255.0f);
  std::fill_n(weights.begin(), kInputs, 127.0f);
  std::fill_n(weights.begin() + kInputs, kInputs, -127.0f);
  for (int64_t begin = 0; begin < kInputs; begin += kInt8Group) {
    for (int64_t row = 0; row < kRows; ++row) {
      x[row * kInputs + begin] = 0;
      x[row * kInputs + begin + 1] = 255;
    }
    for (int64_t output = 0; output < kOutputs; ++output) weights[output * kInputs + begin + 2] = 127;
  }
  const auto y = Run(x, kRows, Int8Matrix(weights, kOutputs, kInputs, one_), one_);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t output = 0; output < kOutputs; ++output) {
      double expected = 0;
      for (int64_t k = 0; k < kInputs; ++k) expected += x[row * kInputs + k] * weights[output * kInputs + k];
      ASSERT_EQ(y[row * kOutputs + output], expected) << row << ", " << output;
    }
  }
}

TEST_P(Int8MatMulTest, ARowIsTheSameWhateverIsBesideIt) {
  constexpr int64_t kRows = 250, kOutputs = 70, kInputs = 200;
  const Int8Matrix matrix(RandomFloats(kOutputs * kInputs, 3), kOutputs, kInputs, one_);
  const auto x = RandomFloats(kRows * kInputs, 7);
  const auto together = Run(x, kRows, matrix, three_);
  for (const int64_t row : {0, 1, 119, 120, 249}) {
    const std::vector<float> alone(x.begin() + row * kInputs, x.begin() + (row + 1) * kInputs);
    const auto y = Run(alone, 1, matrix, one_);
    EXPECT_TRUE(std::equal(y.begin(), y.end(), together.begin() + row * kOutputs)) << row;
  }
}

TEST_P(Int8MatMulTest, EqualAndVerySmallInputsAreNoTrouble) {
  constexpr int64_t kInputs = 130;
  const auto weights = RandomFloats(16 * kInputs, 9);
  const Int8Matrix matrix(weights, 16, kInputs, one_);
  EXPECT_EQ(Run(std::vector<float>(kInputs), 1, matrix, one_), std::vector<float>(16));
  for (const float value : {-3.0f, 1e-38f}) {
    const auto y = Run(std::vector<float>(kInputs, value), 1, matrix, one_);
    for (int64_t output = 0; output < 16; ++output) {
      double sum = 0;
      for (int64_t k = 0; k < kInputs; ++k) sum += weights[output * kInputs + k];
      EXPECT_NEAR(y[output], value * sum, std::abs(value) * 1.0);
    }
  }
  const Int8Matrix nothing(std::vector<float>(16 * kInputs), 16, kInputs, one_);
  EXPECT_EQ(Run(RandomFloats(kInputs, 1), 1, nothing, one_), std::vector<float>(16));
}

TEST_P(Int8MatMulTest, EpiloguesAreThoseOfOtherProducts) {
  constexpr int64_t kRows = 1000, kOutputs = 18, kInputs = 40;
  const Int8Matrix matrix(RandomFloats(kOutputs * kInputs, 3), kOutputs, kInputs, one_);
  const auto x = RandomFloats(kRows * kInputs, 7), bias = RandomFloats(kOutputs, 8);
  const auto addend = RandomFloats(kRows * kOutputs, 9);
  const auto plain = Run(x, kRows, matrix, one_);
  const auto added = Run(x, kRows, matrix, three_, {.bias = bias.data(), .add_to_output = true}, addend);
  const auto with_addend =
      Run(x, kRows, matrix, three_,
          {.bias = bias.data(), .activation = Activation::kGelu, .addend = addend.data(), .addend_stride = kOutputs});
  for (int64_t i = 0; i < kRows * kOutputs; ++i) {
    const double sum = static_cast<double>(plain[i]) + bias[i % kOutputs] + addend[i];
    ASSERT_NEAR(added[i], sum, 1e-5);
    ASSERT_NEAR(with_addend[i], 0.5 * sum * (1 + std::erf(sum / std::sqrt(2.0))), 1e-5);
  }
}

TEST(Int8Matrix, TakesLittleMoreThanAByteAWeight) {
  ThreadPool pool(1);
  const Int8Matrix matrix(RandomFloats(1536 * 384, 1), 1536, 384, pool);
  EXPECT_EQ(matrix.num_outputs(), 1536);
  EXPECT_EQ(matrix.num_inputs(), 384);
  EXPECT_LT(matrix.bytes(), 1536 * 384 * 1.07);
}

}  // namespace
}  // namespace retro
