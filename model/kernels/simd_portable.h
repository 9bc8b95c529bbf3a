// The vectors of 128 bits that the kernels are written in where nothing is known of the processor: the compiler's own
// vector types, which every architecture has.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "model/dequantize.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace retro::kernels {
namespace {

constexpr int kLanes = 4;
using Floats = float __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
using Shorts = int16_t __attribute__((vector_size(16)));
constexpr int kTileRows = 3;
constexpr int kTilePanels = 1;
constexpr int kInt8TileRows = 2;
constexpr int kInt8TilePanels = 1;

template <typename V>
V LoadAs(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline Floats Load(const float* from) { return LoadAs<Floats>(from); }
inline void Store(float* to, Floats v) { std::memcpy(to, &v, sizeof v); }
inline Floats Set(float value) { return Floats{value, value, value, value}; }
inline Floats Fma(Floats a, Floats b, Floats c) { return a * b + c; }
inline Floats Max(Floats a, Floats b) { return a > b ? a : b; }
inline Floats Min(Floats a, Floats b) { return a < b ? a : b; }
inline Floats Abs(Floats v) { return v < 0 ? -v : v; }
// a < b ? x : y
inline Floats SelectLess(Floats a, Floats b, Floats x, Floats y) { return a < b ? x : y; }

// The first `count` lanes; the others are 0, and their memory is not touched.
inline Floats LoadPart(const float* from, int count) {
  Floats v = {};
  std::memcpy(&v, from, count * sizeof(float));
  return v;
}
inline void StorePart(float* to, Floats v, int count) { std::memcpy(to, &v, count * sizeof(float)); }
inline Floats KeepFirst(Floats v, int count, Floats others) {
  return Ints{0, 1, 2, 3} < Ints{count, count, count, count} ? v : others;
}

inline Floats LoadHalves(const uint16_t* from) {
  return Floats{HalfToFloat(from[0]), HalfToFloat(from[1]), HalfToFloat(from[2]), HalfToFloat(from[3])};
}

inline Ints SetInts(int32_t value) { return Ints{value, value, value, value}; }
inline Ints LoadInts(const void* from) { return LoadAs<Ints>(from); }
inline void StoreShorts(int16_t* to, Ints v) {
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<int16_t>(v[i]);
}
// 8 signed bytes as 16 bits each.
inline Ints WidenBytes(const int8_t* from) {
  Shorts v;
  for (int i = 0; i < 2 * kLanes; ++i) v[i] = from[i];
  return LoadAs<Ints>(&v);
}
template <int shift>
inline Ints ShiftShortsRight(Ints v) {
  using Words = uint16_t __attribute__((vector_size(16)));
  return reinterpret_cast<Ints>(reinterpret_cast<Words>(v) >> shift);
}
inline Ints And(Ints a, Ints b) { return a & b; }
inline Ints AddInts(Ints a, Ints b) { return a + b; }
// Other instruction sets keep the compiler from adding up in another order here.
inline void Settle(Ints&) {}
// The 16 bits of the even (low) or odd (high) half of each lane, signed.
inline Ints EvenShorts(Ints v) { return (v << 16) >> 16; }
inline Ints OddShorts(Ints v) { return v >> 16; }
// sum + a.even * b.even + a.odd * b.odd of the 16-bit halves of each lane
inline Ints AddPairProducts(Ints sum, Ints a, Ints b) {
#if defined(__SSE2__)
  return sum + reinterpret_cast<Ints>(_mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return sum + EvenShorts(a) * EvenShorts(b) + OddShorts(a) * OddShorts(b);
#endif
}
// See int8_gemm-inl.h.
constexpr int kQuadWords = 2;
inline Ints FirstQuadPart(Ints v) { return reinterpret_cast<Ints>((reinterpret_cast<Shorts>(v) << 8) >> 8); }
inline Ints SecondQuadPart(Ints v) { return reinterpret_cast<Ints>(reinterpret_cast<Shorts>(v) >> 8); }
inline Ints AddQuadProducts(Ints sum, Ints x, Ints weights) { return AddPairProducts(sum, x, weights); }
inline void StoreQuants(uint32_t* to, Ints v) {
  to[0] = static_cast<uint32_t>(v[0] | v[2] << 16);
  to[1] = static_cast<uint32_t>(v[1] | v[3] << 16);
}
inline Floats ToFloats(Ints v) { return __builtin_convertvector(v, Floats); }
inline Ints Round(Floats v) {
#if defined(__SSE2__)
  return reinterpret_cast<Ints>(_mm_cvtps_epi32(v));
#else
  Ints rounded;
  for (int i = 0; i < kLanes; ++i) rounded[i] = static_cast<int32_t>(std::nearbyint(v[i]));
  return rounded;
#endif
}
// 2^n for -126 <= n <= 127
inline Floats PowerOfTwo(Ints n) { return reinterpret_cast<Floats>((n + 127) << 23); }
inline Floats SquareRoot(Floats v) {
  for (int i = 0; i < kLanes; ++i) v[i] = std::sqrt(v[i]);
  return v;
}

inline float Sum(Floats v) { return (v[0] + v[2]) + (v[1] + v[3]); }
inline int32_t SumInts(Ints v) { return v[0] + v[1] + v[2] + v[3]; }
inline float Largest(Floats v) { return std::max(std::max(v[0], v[1]), std::max(v[2], v[3])); }

// Lanes 0, 2 of a, then of b; and 1, 3
inline Floats EvenLanes(Floats a, Floats b) { return Floats{a[0], a[2], b[0], b[2]}; }
inline Floats OddLanes(Floats a, Floats b) { return Floats{a[1], a[3], b[1], b[3]}; }

// to[k * 16 + j] = from[j * stride + k] for j, k < 4
inline void TransposeBlock(const float* from, int64_t stride, float* to) {
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 4; ++j) to[k * 16 + j] = from[j * stride + k];
  }
}

}  // namespace
}  // namespace retro::kernels
