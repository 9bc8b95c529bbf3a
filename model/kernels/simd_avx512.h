// The vectors of 512 bits that the kernels are written in. Everything here has internal linkage: code compiled for
// AVX-512 must never be what the linker takes for other files.
#pragma once

#include <immintrin.h>

#include <cstdint>

// GCC 12 takes the "undefined" vectors of its own header for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

namespace retro::kernels {
namespace {

using Floats = __m512;
using Ints = __m512i;  // 16 x 32 bits, or 32 x 16 bits
constexpr int kLanes = 16;
// A tile of 12 x 32 sums fills 24 of the 32 registers.
constexpr int kTileRows = 12;
constexpr int kTilePanels = 2;
// Of products in 8 bits: the same.
constexpr int kInt8TileRows = 12;
constexpr int kInt8TilePanels = 2;

inline Floats Load(const float* from) { return _mm512_loadu_ps(from); }
inline void Store(float* to, Floats v) { _mm512_storeu_ps(to, v); }
inline Floats Set(float value) { return _mm512_set1_ps(value); }
inline Floats Fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats Max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats Min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats Abs(Floats v) { return _mm512_abs_ps(v); }
// a < b ? x : y
inline Floats SelectLess(Floats a, Floats b, Floats x, Floats y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

inline __mmask16 FirstLanes(int count) { return static_cast<__mmask16>((1u << count) - 1); }
// The first `count` lanes; the others are 0, and their memory is not touched.
inline Floats LoadPart(const float* from, int count) { return _mm512_maskz_loadu_ps(FirstLanes(count), from); }
inline void StorePart(float* to, Floats v, int count) { _mm512_mask_storeu_ps(to, FirstLanes(count), v); }
inline Floats KeepFirst(Floats v, int count, Floats others) {
  return _mm512_mask_blend_ps(FirstLanes(count), others, v);
}

inline Floats LoadHalves(const uint16_t* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}

inline Ints SetInts(int32_t value) { return _mm512_set1_epi32(value); }
inline Ints LoadInts(const void* from) { return _mm512_loadu_si512(from); }
inline void StoreShorts(int16_t* to, Ints v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtsepi32_epi16(v));
}
// 32 signed bytes as 16 bits each.
inline Ints WidenBytes(const int8_t* from) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
template <int shift>
inline Ints ShiftShortsRight(Ints v) {
  return _mm512_srli_epi16(v, shift);
}
inline Ints And(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints AddInts(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
// sum + a.even * b.even + a.odd * b.odd of the 16-bit halves of each lane
inline Ints AddPairProducts(Ints sum, Ints a, Ints b) { return _mm512_dpwssd_epi32(sum, a, b); }
// See int8_gemm-inl.h.
constexpr int kQuadWords = 1;
inline Ints FirstQuadPart(Ints v) { return v; }
inline Ints SecondQuadPart(Ints v) { return v; }
inline Ints AddQuadProducts(Ints sum, Ints x, Ints weights) { return _mm512_dpbusd_epi32(sum, x, weights); }
inline void StoreQuants(uint32_t* to, Ints v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(v));
}
// Keeps the compiler from adding up products in another order, which needs more registers than there are.
inline void Settle(Ints& v) { asm("" : "+v"(v)); }
// The 16 bits of the even (low) or odd (high) half of each lane, signed.
inline Ints EvenShorts(Ints v) { return _mm512_srai_epi32(_mm512_slli_epi32(v, 16), 16); }
inline Ints OddShorts(Ints v) { return _mm512_srai_epi32(v, 16); }
inline Floats ToFloats(Ints v) { return _mm512_cvtepi32_ps(v); }
inline Ints Round(Floats v) { return _mm512_cvtps_epi32(v); }
// 2^n for -126 <= n <= 127
inline Floats PowerOfTwo(Ints n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
inline Floats SquareRoot(Floats v) { return _mm512_sqrt_ps(v); }

inline float Sum(Floats v) { return _mm512_reduce_add_ps(v); }
inline int32_t SumInts(Ints v) { return _mm512_reduce_add_epi32(v); }
inline float Largest(Floats v) { return _mm512_reduce_max_ps(v); }

// Lanes 0, 2, 4 ... of a, then of b; and 1, 3, 5 ...
inline Floats EvenLanes(Floats a, Floats b) {
  const Ints lanes = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(a, lanes, b);
}
inline Floats OddLanes(Floats a, Floats b) {
  const Ints lanes = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return _mm512_permutex2var_ps(a, lanes, b);
}

// to[k * 16 + j] = from[j * stride + k] for j, k < 16
inline void TransposeBlock(const float* from, int64_t stride, float* to) {
  const Ints lanes = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                        _mm512_set1_epi32(static_cast<int32_t>(stride)));
  for (int k = 0; k < 16; ++k) Store(to + k * 16, _mm512_i32gather_ps(lanes, from + k, 4));
}

}  // namespace
}  // namespace retro::kernels
