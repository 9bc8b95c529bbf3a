// The vectors of 256 bits that the kernels are written in. Everything here has internal linkage: code compiled for AVX2
// must never be what the linker takes for other files.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace retro::kernels {
namespace {

using Floats = __m256;
using Ints = __m256i;  // 8 x 32 bits, or 16 x 16 bits
constexpr int kLanes = 8;
// A tile of 6 x 16 sums fills 12 of the 16 registers.
constexpr int kTileRows = 6;
constexpr int kTilePanels = 1;
// Of products in 8 bits: 8 sums, and 4 vectors of weights.
constexpr int kInt8TileRows = 4;
constexpr int kInt8TilePanels = 1;

inline Floats Load(const float* from) { return _mm256_loadu_ps(from); }
inline void Store(float* to, Floats v) { _mm256_storeu_ps(to, v); }
inline Floats Set(float value) { return _mm256_set1_ps(value); }
inline Floats Fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats Max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
inline Floats Min(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats Abs(Floats v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }
// a < b ? x : y
inline Floats SelectLess(Floats a, Floats b, Floats x, Floats y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

inline Ints FirstLanes(int count) {
  const Ints lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes);
}
// The first `count` lanes; the others are 0, and their memory is not touched.
inline Floats LoadPart(const float* from, int count) { return _mm256_maskload_ps(from, FirstLanes(count)); }
inline void StorePart(float* to, Floats v, int count) { _mm256_maskstore_ps(to, FirstLanes(count), v); }
inline Floats KeepFirst(Floats v, int count, Floats others) {
  return _mm256_blendv_ps(others, v, _mm256_castsi256_ps(FirstLanes(count)));
}

inline Floats LoadHalves(const uint16_t* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

inline Ints SetInts(int32_t value) { return _mm256_set1_epi32(value); }
inline Ints LoadInts(const void* from) { return _mm256_loadu_si256(static_cast<const Ints*>(from)); }
inline void StoreShorts(int16_t* to, Ints v) {
  const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), packed);
}
// 16 signed bytes as 16 bits each.
inline Ints WidenBytes(const int8_t* from) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
template <int shift>
inline Ints ShiftShortsRight(Ints v) {
  return _mm256_srli_epi16(v, shift);
}
inline Ints And(Ints a, Ints b) { return _mm256_and_si256(a, b); }
inline Ints AddInts(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
// sum + a.even * b.even + a.odd * b.odd of the 16-bit halves of each lane
inline Ints AddPairProducts(Ints sum, Ints a, Ints b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
// See int8_gemm-inl.h.
constexpr int kQuadWords = 2;
inline Ints FirstQuadPart(Ints v) { return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8); }
inline Ints SecondQuadPart(Ints v) { return _mm256_srai_epi16(v, 8); }
inline Ints AddQuadProducts(Ints sum, Ints x, Ints weights) { return AddPairProducts(sum, x, weights); }
inline void StoreQuants(uint32_t* to, Ints v) {
  const __m128i shorts = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i ordered = _mm_shufflehi_epi16(_mm_shufflelo_epi16(shorts, 0xd8), 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), ordered);
}
// Keeps the compiler from adding up products in another order, which needs more registers than there are.
inline void Settle(Ints& v) { asm("" : "+x"(v)); }
// The 16 bits of the even (low) or odd (high) half of each lane, signed.
inline Ints EvenShorts(Ints v) { return _mm256_srai_epi32(_mm256_slli_epi32(v, 16), 16); }
inline Ints OddShorts(Ints v) { return _mm256_srai_epi32(v, 16); }
inline Floats ToFloats(Ints v) { return _mm256_cvtepi32_ps(v); }
inline Ints Round(Floats v) { return _mm256_cvtps_epi32(v); }
// 2^n for -126 <= n <= 127
inline Floats PowerOfTwo(Ints n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
inline Floats SquareRoot(Floats v) { return _mm256_sqrt_ps(v); }

inline float Sum(Floats v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
inline int32_t SumInts(Ints v) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}
inline float Largest(Floats v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// Lanes 0, 2, 4 ... of a, then of b; and 1, 3, 5 ...
inline Floats EvenLanes(Floats a, Floats b) {
  const Floats mixed = _mm256_shuffle_ps(a, b, 0x88);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}
inline Floats OddLanes(Floats a, Floats b) {
  const Floats mixed = _mm256_shuffle_ps(a, b, 0xdd);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xd8));
}

// to[k * 16 + j] = from[j * stride + k] for j, k < 8
inline void TransposeBlock(const float* from, int64_t stride, float* to) {
  Floats row[8], pair[8];
  for (int j = 0; j < 8; ++j) row[j] = Load(from + j * stride);
  for (int j = 0; j < 8; j += 2) {
    pair[j] = _mm256_unpacklo_ps(row[j], row[j + 1]);
    pair[j + 1] = _mm256_unpackhi_ps(row[j], row[j + 1]);
  }
  for (int j = 0; j < 8; j += 4) {
    row[j] = _mm256_shuffle_ps(pair[j], pair[j + 2], 0x44);
    row[j + 1] = _mm256_shuffle_ps(pair[j], pair[j + 2], 0xee);
    row[j + 2] = _mm256_shuffle_ps(pair[j + 1], pair[j + 3], 0x44);
    row[j + 3] = _mm256_shuffle_ps(pair[j + 1], pair[j + 3], 0xee);
  }
  for (int k = 0; k < 4; ++k) {
    Store(to + k * 16, _mm256_permute2f128_ps(row[k], row[k + 4], 0x20));
    Store(to + (k + 4) * 16, _mm256_permute2f128_ps(row[k], row[k + 4], 0x31));
  }
}

}  // namespace
}  // namespace retro::kernels
