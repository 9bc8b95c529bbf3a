#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/kernels/vector_ops.h"
#include "tests/model/kernels_testing.h"

namespace retro {
namespace {

constexpr int64_t kDims[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 576};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class VectorOps : public testing::TestWithParam<const kernels::KernelTable*> {};
INSTANTIATE_TEST_SUITE_P(InstructionSets, VectorOps, testing::ValuesIn(AllKernels()), KernelsName);

TEST_P(VectorOps, RmsNormDividesByTheRootMeanSquare) {
  for (const int64_t dim : kDims) {
    const auto x = RandomFloats(dim, 1), weight = RandomFloats(dim, 2);
    std::vector<float> y(dim + 1, 7.0f);
    GetParam()->rms_norm(x.data(), weight.data(), dim, 1e-5f, y.data());
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    for (int64_t i = 0; i < dim; ++i) {
      ASSERT_NEAR(y[i], x[i] / std::sqrt(squares / dim + 1e-5) * weight[i], 2e-6) << dim;
    }
    EXPECT_EQ(y[dim], 7.0f);
  }
}

TEST_P(VectorOps, LayerNormInPlaceAwayFromZero) {
  for (const int64_t dim : kDims) {
    auto x = RandomFloats(dim, 1);
    for (float& v : x) v += 50;
    const auto weight = RandomFloats(dim, 2), bias = RandomFloats(dim, 3);
    double mean = 0, variance = 0;
    for (const float v : x) mean += v / static_cast<double>(dim);
    for (const float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(dim);
    auto y = x;
    GetParam()->layer_norm(y.data(), weight.data(), bias.data(), dim, 1e-5f, y.data());
    for (int64_t i = 0; i < dim; ++i) {
      ASSERT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i], dim == 1 ? 2e-2 : 1e-4)
          << dim;
    }
  }
}

TEST_P(VectorOps, SoftmaxIsAccurateOverTheWholeRange) {
  for (const int64_t dim : kDims) {
    const auto x = RandomFloats(dim, 4, 20);
    auto y = x;
    GetParam()->softmax(y.data(), dim);
    double sum = 0;
    const double largest = *std::ranges::max_element(x);
    for (const float v : x) sum += std::exp(v - largest);
    for (int64_t i = 0; i < dim; ++i) {
      const double expected = std::exp(x[i] - largest) / sum;
      // x - largest is rounded, and so is its exponential.
      ASSERT_NEAR(y[i], expected, (1e-6 + 1.2e-7 * (largest - x[i])) * expected + 1e-30) << dim;
    }
    EXPECT_NEAR(GetParam()->log_sum_exp(x.data(), dim), largest + std::log(sum), 1e-5);
  }
}

TEST_P(VectorOps, SoftmaxOfMaskedAndOfHugeScores) {
  std::vector<float> x = {-kInfinity, 3e38f, 3e38f, -3e38f, -kInfinity};
  GetParam()->softmax(x.data(), 5);
  EXPECT_EQ(x, (std::vector<float>{0, 0.5f, 0.5f, 0, 0}));
  std::vector<float> unknown(20, 1.0f);
  unknown[17] = kNaN;
  GetParam()->softmax(unknown.data(), 20);
  EXPECT_TRUE(std::isnan(unknown[0]));
}

TEST_P(VectorOps, ArgMaxIsTheFirstOfEquals) {
  for (const int64_t dim : kDims) {
    auto x = RandomFloats(dim, 5);
    for (const int64_t at : {int64_t{0}, dim / 2, dim - 1}) {
      auto with_top = x;
      with_top[at] = 100;
      with_top[dim - 1] = 100;
      EXPECT_EQ(GetParam()->arg_max(with_top.data(), dim), at);
    }
  }
}

TEST_P(VectorOps, ArgMaxPassesOverNaN) {
  std::vector<float> x(19, -2.0f);
  x[0] = x[11] = x[18] = kNaN;
  x[12] = -1;
  EXPECT_EQ(GetParam()->arg_max(x.data(), 19), 12);
  const std::vector<float> none(19, kNaN), lowest(19, -kInfinity);
  EXPECT_EQ(GetParam()->arg_max(none.data(), 19), 0);
  EXPECT_EQ(GetParam()->arg_max(lowest.data(), 19), 0);
}

TEST_P(VectorOps, RotaryTurnsPairs) {
  for (const int64_t head_dim : {2, 6, 16, 30, 64}) {
    const int64_t half = head_dim / 2;
    std::vector<float> cosines(half), sines(half);
    for (int64_t i = 0; i < half; ++i) {
      cosines[i] = std::cos(0.3f * static_cast<float>(i + 1));
      sines[i] = std::sin(0.3f * static_cast<float>(i + 1));
    }
    for (const RotaryPairing pairing : {RotaryPairing::kHalves, RotaryPairing::kNeighbours}) {
      const auto x = RandomFloats(3 * head_dim, 6);
      auto y = x;
      GetParam()->apply_rotary(y.data(), 3, head_dim, cosines.data(), sines.data(), pairing);
      for (int64_t i = 0; i < 3 * half; ++i) {
        const bool halves = pairing == RotaryPairing::kHalves;
        const int64_t a = i / half * head_dim + (halves ? i % half : 2 * (i % half)), b = halves ? a + half : a + 1;
        ASSERT_NEAR(y[a], x[a] * cosines[i % half] - x[b] * sines[i % half], 1e-6);
        ASSERT_NEAR(y[b], x[b] * cosines[i % half] + x[a] * sines[i % half], 1e-6);
      }
    }
  }
}

TEST(ActiveKernels, AreTheNamedOnes) { EXPECT_STREQ(KernelName(), kernels::ActiveKernels().name); }

}  // namespace
}  // namespace retro
