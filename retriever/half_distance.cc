#include "retriever/half_distance.h"

#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "retriever/half_embeddings.h"

#if defined(__x86_64__)
#include "retriever/avx2_sum.h"
#endif

namespace retro {
namespace {

#if defined(__x86_64__)

// Two sums, so that one addition does not wait for the other.
__attribute__((target("avx2,fma,f16c"))) float HalfDistanceF16c(const float* query, const uint16_t* row, int64_t dim) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    const __m256 a = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)));
    const __m256 b = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i + 8)));
    const __m256 da = _mm256_sub_ps(_mm256_loadu_ps(query + i), a);
    const __m256 db = _mm256_sub_ps(_mm256_loadu_ps(query + i + 8), b);
    sum0 = _mm256_fmadd_ps(da, da, sum0);
    sum1 = _mm256_fmadd_ps(db, db, sum1);
  }
  return SumOfEight(_mm256_add_ps(sum0, sum1)) + HalfDistancePortable(query + i, row + i, dim - i);
}

bool HasF16c() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

#endif

using DistanceFunction = float (*)(const float*, const uint16_t*, int64_t);

DistanceFunction ChooseDistance() {
#if defined(__x86_64__)
  if (HasF16c()) return HalfDistanceF16c;
#endif
  return HalfDistancePortable;
}

}  // namespace

float HalfDistance(const float* query, const uint16_t* row, int64_t dim) {
  static const DistanceFunction distance = ChooseDistance();
  return distance(query, row, dim);
}

float HalfDistancePortable(const float* query, const uint16_t* row, int64_t dim) {
  float sum = 0;
  for (int64_t i = 0; i < dim; ++i) {
    const float difference = query[i] - HalfToFloat(row[i]);
    sum += difference * difference;
  }
  return sum;
}

// binary16: 1 sign bit, 5 exponent bits with bias 15, 10 fraction bits.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7e00;
  if (magnitude >= 65520.0f) return sign | 0x7c00;
  // Below 2^-14 halves are multiples of 2^-24: nearbyint rounds ties to even, and a carry makes the smallest normal.
  if (magnitude < 0x1p-14f) return sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f));
  const uint32_t rebased = (bits & 0x7fffffff) - (112u << 23);
  return sign | static_cast<uint16_t>((rebased + 0xfff + (rebased >> 13 & 1)) >> 13);
}

void FloatToHalf(std::span<const float> values, std::span<uint16_t> out) {
  for (size_t i = 0; i < values.size(); ++i) out[i] = FloatToHalf(values[i]);
}

void HalfToFloat(std::span<const uint16_t> values, std::span<float> out) {
  for (size_t i = 0; i < values.size(); ++i) out[i] = HalfToFloat(values[i]);
}

}  // namespace retro
