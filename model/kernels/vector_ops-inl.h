// Operations on one row.
#pragma once

#include <cstdint>

#include "model/kernels/functions-inl.h"
#include "model/kernels/kernels.h"

namespace retro::kernels {
namespace {

inline float InverseRoot(float mean_square, float eps) {
  float inverse;
  StorePart(&inverse, Set(1.0f) / SquareRoot(Set(mean_square + eps)), 1);
  return inverse;
}

void RmsNorm(const float* x, const float* weight, int64_t dim, float eps, float* y) {
  const float squares = SumOver(x, dim, [](Floats sum, Floats v) { return Fma(v, v, sum); });
  const Floats scale = Set(InverseRoot(squares / static_cast<float>(dim), eps));
  ForLanes(dim, [&](int64_t i, int count) {
    StoreLanes(y + i, LoadLanes(x + i, count) * scale * LoadLanes(weight + i, count), count);
  });
}

void LayerNorm(const float* x, const float* weight, const float* bias, int64_t dim, float eps, float* y) {
  const auto width = static_cast<float>(dim);
  const Floats mean = Set(SumOver(x, dim, [](Floats sum, Floats v) { return sum + v; }) / width);
  const float squares = SumOver(x, dim, [&](Floats sum, Floats v) { return Fma(v - mean, v - mean, sum); });
  const Floats scale = Set(InverseRoot(squares / width, eps));
  ForLanes(dim, [&](int64_t i, int count) {
    const Floats normed = (LoadLanes(x + i, count) - mean) * scale;
    StoreLanes(y + i, Fma(normed, LoadLanes(weight + i, count), LoadLanes(bias + i, count)), count);
  });
}

inline float LargestOf(const float* row, int64_t dim) {
  Floats largest = Set(row[0]);
  ForLanes(dim, [&](int64_t i, int count) {
    largest = Max(largest, count == kLanes ? Load(row + i) : KeepFirst(LoadPart(row + i, count), count, largest));
  });
  return Largest(largest);
}

// row = exp(row - largest); returns the sum.
inline float ExpInPlace(float* row, int64_t dim, float largest) {
  Floats sum = Set(0.0f);
  ForLanes(dim, [&](int64_t i, int count) {
    const Floats v = Exp(LoadLanes(row + i, count) - Set(largest));
    StoreLanes(row + i, v, count);
    sum = sum + (count == kLanes ? v : KeepFirst(v, count, Set(0.0f)));
  });
  return Sum(sum);
}

inline void Scale(float* row, int64_t dim, float factor) {
  ForLanes(dim, [&](int64_t i, int count) { StoreLanes(row + i, LoadLanes(row + i, count) * Set(factor), count); });
}

void Softmax(float* row, int64_t dim) { Scale(row, dim, 1.0f / ExpInPlace(row, dim, LargestOf(row, dim))); }

float LogSumExp(const float* row, int64_t dim) {
  const float largest = LargestOf(row, dim);
  const float sum = SumOver(row, dim, [&](Floats total, Floats v) { return total + Exp(v - Set(largest)); });
  return largest + __builtin_logf(sum);
}

int64_t ArgMax(const float* row, int64_t dim) {
  const float lowest = -__builtin_inff();
  Floats best = Set(lowest);
  // Max(v, best) keeps `best` where v is NaN.
  ForLanes(dim, [&](int64_t i, int count) {
    best = Max(count == kLanes ? Load(row + i) : KeepFirst(LoadPart(row + i, count), count, best), best);
  });
  const float largest = Largest(best);
  for (int64_t i = 0; i < dim; ++i) {
    if (row[i] == largest) return i;
  }
  return 0;
}

inline void RotateHalves(float* head, int64_t half, const float* cosines, const float* sines) {
  ForLanes(half, [&](int64_t i, int count) {
    const Floats a = LoadLanes(head + i, count), b = LoadLanes(head + half + i, count);
    const Floats cosine = LoadLanes(cosines + i, count), sine = LoadLanes(sines + i, count);
    StoreLanes(head + i, a * cosine - b * sine, count);
    StoreLanes(head + half + i, b * cosine + a * sine, count);
  });
}

inline void RotateNeighbours(float* head, int64_t half, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = head[2 * i], b = head[2 * i + 1];
    head[2 * i] = a * cosines[i] - b * sines[i];
    head[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

void ApplyRotary(float* heads, int64_t num_heads, int64_t head_dim, const float* cosines, const float* sines,
                 RotaryPairing pairing) {
  for (int64_t i = 0; i < num_heads; ++i) {
    float* head = heads + i * head_dim;
    if (pairing == RotaryPairing::kHalves) {
      RotateHalves(head, head_dim / 2, cosines, sines);
    } else {
      RotateNeighbours(head, head_dim / 2, cosines, sines);
    }
  }
}

}  // namespace
}  // namespace retro::kernels
