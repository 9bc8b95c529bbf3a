#include "model/sampler_softmax.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/error.h"

namespace retro {
namespace {

// Independent sums and maxima, so that the compiler may use vector registers without reordering anything.
constexpr size_t kLanes = 16;
// Single precision sums stay short: a row is summed in blocks, and the blocks in double precision.
constexpr size_t kBlock = 2048;

// e^x for x <= 0 without branches: 2^n by the exponent bits times a polynomial on [-ln2/2, ln2/2].
inline float ExpOfNegative(float x) {
  constexpr float kLowest = -87.0f;      // below, single precision has no normal number
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const float clamped = x > kLowest ? x : kLowest;
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t exponent = (std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound) + 127) << 23;
  return x > kLowest ? p * std::bit_cast<float>(exponent) : 0.0f;
}

float Greatest(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::array<float, kLanes> best;
  best.fill(-kInfinity);
  std::array<int32_t, kLanes> bad{};
  const auto take = [&](float value, size_t lane) {
    best[lane] = value > best[lane] ? value : best[lane];
    bad[lane] |= value < kInfinity ? 0 : 1;  // NaN is below nothing
  };
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) take(logits[i + lane], lane);
  }
  for (; i < logits.size(); ++i) take(logits[i], 0);
  const float greatest = *std::max_element(best.begin(), best.end());
  if (std::any_of(bad.begin(), bad.end(), [](int32_t b) { return b != 0; }) || greatest == -kInfinity) {
    ThrowNotFinite();
  }
  return greatest;
}

template <typename Take>
double SumOfExp(std::span<const float> logits, float greatest, float scale, Take take) {
  double total = 0;
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const size_t end = std::min(begin + kBlock, logits.size());
    std::array<float, kLanes> sums{};
    size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const float weight = ExpOfNegative((logits[i + lane] - greatest) * scale);
        take(i + lane, weight);
        sums[lane] += weight;
      }
    }
    for (; i < end; ++i) {
      const float weight = ExpOfNegative((logits[i] - greatest) * scale);
      take(i, weight);
      sums[0] += weight;
    }
    for (const float sum : sums) total += sum;
  }
  return total;
}

}  // namespace

void ThrowNotFinite() {
  Throw(ErrorCode::kCorruption, "the decoder's logits are not finite: its weights are damaged; restore the model");
}

double LogSumExp(std::span<const float> logits) {
  const float greatest = Greatest(logits);
  return greatest + std::log(SumOfExp(logits, greatest, 1.0f, [](size_t, float) {}));
}

double SoftmaxWeights(std::span<const float> logits, float temperature, std::span<float> weights) {
  const float greatest = Greatest(logits);
  float* out = weights.data();
  const float scale = std::min(1.0f / temperature, 1e30f);  // finite, as the greatest logit gives 0 * scale
  return SumOfExp(logits, greatest, scale, [out](size_t i, float weight) { out[i] = weight; });
}

}  // namespace retro
