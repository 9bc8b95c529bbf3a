// Internal to retriever; x86-64 only, and only where a function's target has AVX2.
#pragma once

#include <immintrin.h>

namespace retro {

// The sum of eight numbers. Always inlined: no copy that was compiled for AVX2 may reach other files.
__attribute__((target("avx2"), always_inline)) inline float SumOfEight(__m256 values) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(values), _mm256_extractf128_ps(values, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  four = _mm_add_ss(four, _mm_movehdup_ps(four));
  return _mm_cvtss_f32(four);
}

}  // namespace retro
