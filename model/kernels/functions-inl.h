// Functions of a vector, and loops over rows that need not be a multiple of it. Included after a simd_*.h.
#pragma once

#include <cstdint>

namespace retro::kernels {
namespace {

// c[0] + v (c[1] + v (c[2] + ...))
template <int count>
inline Floats Polynomial(Floats v, const float (&c)[count]) {
  Floats sum = Set(c[count - 1]);
#pragma GCC unroll 16
  for (int i = count - 2; i >= 0; --i) sum = Fma(sum, v, Set(c[i]));
  return sum;
}

// Relative error about 1e-7; 0 below the normal numbers, exp(88) above 88; NaN stays NaN.
inline Floats Exp(Floats v) {
  constexpr float kLowest = -87.3f, kHighest = 88.0f;
  // ln 2 in two parts, the first short enough for n times it to be exact.
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  // (exp(r) - 1 - r) / r² on |r| <= ln(2) / 2, a least-maximum fit
  constexpr float kTail[] = {0.49999994f, 0.16666520f, 0.041668393f, 0.0083687808f, 0.0013814505f};
  // The constant comes first: x86 then hands on a NaN of the second.
  const Floats clamped = Min(Set(kHighest), Max(Set(kLowest), v));
  const Ints n = Round(clamped * Set(1.44269504f));
  const Floats r = Fma(ToFloats(n), Set(-kLn2Low), Fma(ToFloats(n), Set(-kLn2High), clamped));
  const Floats exp_r = Fma(r * r, Polynomial(r, kTail), r) + Set(1.0f);
  return SelectLess(v, Set(kLowest), Set(0.0f), exp_r * PowerOfTwo(n));
}

// Absolute error below 4e-7.
inline Floats Erf(Floats v) {
  // erf(t) / t as a ratio of polynomials in t² on [0, 3.92], a least-maximum fit; beyond it erf is 1 in fp32.
  constexpr float kEnd = 3.92f;
  constexpr float kNumerator[] = {1.128378987f,   0.192754477f,    0.0530592315f,
                                  0.00386792026f, 0.000287470553f, 2.03481159e-6f};
  constexpr float kDenominator[] = {1.0f, 0.504155874f, 0.11508067f, 0.0151714832f, 0.00118801696f, 3.80709789e-5f};
  const Floats t = Max(Set(-kEnd), Min(Set(kEnd), v));
  const Floats square = t * t;
  const Floats inside = t * Polynomial(square, kNumerator) / Polynomial(square, kDenominator);
  const Floats low = SelectLess(v, Set(-kEnd), Set(-1.0f), inside);
  return SelectLess(Set(kEnd), v, Set(1.0f), low);
}

inline Floats Gelu(Floats v) { return v * Set(0.5f) * (Set(1.0f) + Erf(v * Set(0.70710678f))); }
inline Floats Silu(Floats v) { return v / (Set(1.0f) + Exp(Set(0.0f) - v)); }
// 0.5 v (1 + tanh(u)) = v / (1 + exp(-2u)), u = sqrt(2 / pi) (v + 0.044715 v³)
inline Floats GeluTanh(Floats v) {
  const Floats u = v * Fma(v * v, Set(0.797884561f * 0.044715f), Set(0.797884561f));
  return v / (Set(1.0f) + Exp(u * Set(-2.0f)));
}

// The sum of two vectors' running values over a row: body(sum, lanes of the row).
template <typename Body>
inline float SumOver(const float* row, int64_t dim, const Body& body) {
  Floats sums[2] = {Set(0.0f), Set(0.0f)};
  int64_t i = 0;
  for (; i + 2 * kLanes <= dim; i += 2 * kLanes) {
    sums[0] = body(sums[0], Load(row + i));
    sums[1] = body(sums[1], Load(row + i + kLanes));
  }
  for (; i + kLanes <= dim; i += kLanes) sums[0] = body(sums[0], Load(row + i));
  if (i < dim) {
    const int rest = static_cast<int>(dim - i);
    sums[1] = KeepFirst(body(sums[1], LoadPart(row + i, rest)), rest, sums[1]);
  }
  return Sum(sums[0] + sums[1]);
}

// Calls body(i, count) for vectors of lanes [i, i + count) of a row.
template <typename Body>
inline void ForLanes(int64_t dim, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) body(i, kLanes);
  if (i < dim) body(i, static_cast<int>(dim - i));
}

inline Floats LoadLanes(const float* from, int count) { return count == kLanes ? Load(from) : LoadPart(from, count); }
inline void StoreLanes(float* to, Floats v, int count) {
  if (count == kLanes) {
    Store(to, v);
  } else {
    StorePart(to, v, count);
  }
}

}  // namespace
}  // namespace retro::kernels
