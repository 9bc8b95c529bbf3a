// Products of rows in 8 bits with weights in 8 bits, exact in integers for each group of inputs. One output is one
// lane, so nothing is added across; groups are added up in fp32, in their order, whatever rows and panels run together.
//
// Four inputs of a row are kQuadWords words: four bytes, or twice two 16-bit numbers (inputs 0 and 2, then 1 and 3)
// where there is no product of unsigned with signed bytes that cannot overflow (AVX2's saturates at 16 bits).
#pragma once

#include <cstdint>

#include "model/kernels/functions-inl.h"
#include "model/kernels/gemm-inl.h"
#include "model/kernels/kernels.h"

namespace retro::kernels {
namespace {

void QuantizeInt8Group(const float* x, int count, uint32_t* words, float* scale, float* minimum) {
  Floats low = Set(x[0]), high = low;
  ForLanes(count, [&](int64_t i, int lanes) {
    const Floats v = lanes == kLanes ? Load(x + i) : KeepFirst(LoadPart(x + i, lanes), lanes, low);
    low = Min(low, v);
    high = Max(high, v);
  });
  *minimum = -Largest(Set(0.0f) - low);
  const float range = Largest(high) - *minimum;
  *scale = range / 255.0f;
  // In a group of equal values all is in the minimum, and the inverse would overflow.
  const Floats inverse = Set(range < 1e-30f ? 0.0f : 255.0f / range), lowest = Set(*minimum);
  ForLanes(count, [&](int64_t i, int lanes) {
    const Floats v = lanes == kLanes ? Load(x + i) : KeepFirst(LoadPart(x + i, lanes), lanes, lowest);
    StoreQuants(words + i / kInt8Quad * kQuadWords, Round((v - lowest) * inverse));
  });
}

void QuantizeInt8Row(const float* x, int64_t count, uint32_t* words, float* scales, float* minimums) {
  for (int64_t begin = 0; begin < count; begin += kInt8Group) {
    const int64_t group = begin / kInt8Group, rest = count - begin;
    QuantizeInt8Group(x + begin, static_cast<int>(rest < kInt8Group ? rest : kInt8Group),
                      words + begin / kInt8Quad * kQuadWords, scales + group, minimums + group);
  }
}

// Adds the products of R rows with four inputs of P panels.
template <int R, int kVectors>
inline __attribute__((always_inline)) void AddQuad(const uint32_t* words, int64_t row_words, const std::byte* weights,
                                                   int64_t panel_bytes, Ints (&sums)[R][kVectors]) {
  Ints loaded[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    loaded[v] = LoadInts(weights + v / kPanelVectors * panel_bytes + v % kPanelVectors * kLanes * kInt8Quad);
  }
#pragma GCC unroll 2
  for (int part = 0; part < kQuadWords; ++part) {
    Ints of_part[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) of_part[v] = part == 0 ? FirstQuadPart(loaded[v]) : SecondQuadPart(loaded[v]);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Ints values = SetInts(static_cast<int32_t>(words[r * row_words + part]));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = AddQuadProducts(sums[r][v], values, of_part[v]);
        Settle(sums[r][v]);
      }
    }
  }
}

// c (+)= scale of x * scale of the weights * sum + minimum of x * sum of the weights' values
template <int R, int kVectors>
inline __attribute__((always_inline)) void AddGroup(const Int8Rows& x, int64_t row, int64_t group,
                                                    const std::byte* scales, int64_t panel_bytes,
                                                    const Ints (&sums)[R][kVectors], float* c, int64_t c_stride) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const auto* of_panel = reinterpret_cast<const float*>(scales + v / kPanelVectors * panel_bytes);
    const Floats scale = Load(of_panel + v % kPanelVectors * kLanes);
    const Floats sum = Load(of_panel + kPanel + v % kPanelVectors * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const int64_t at = (row + r) * x.num_groups + group;
      float* to = c + (row + r) * c_stride + v * kLanes;
      const Floats before = group == 0 ? Set(0.0f) : Load(to);
      const Floats products = Fma(ToFloats(sums[r][v]) * Set(x.scales[at]), scale, before);
      Store(to, Fma(Set(x.minimums[at]), sum, products));
    }
  }
}

template <int R, int P>
void Int8Tile(const std::byte* panels, int64_t panel_bytes, const Int8Rows& x, int64_t row, float* c,
              int64_t c_stride) {
  constexpr int kVectors = P * kPanelVectors;
  const uint32_t* words = x.words + row * x.row_words;
  for (int64_t group = 0; group < x.num_groups; ++group) {
    const int64_t quads = Int8Quads(x.num_inputs, group);
    Ints sums[R][kVectors];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sums[r][v] = SetInts(0);
    }
    for (int64_t quad = 0; quad < quads; ++quad) {
      AddQuad(words + quad * kQuadWords, x.row_words, panels + quad * kPanel * kInt8Quad, panel_bytes, sums);
    }
    words += quads * kQuadWords;
    panels += quads * kPanel * kInt8Quad;
    AddGroup(x, row, group, panels, panel_bytes, sums, c, c_stride);
    panels += kInt8ScaleBytes;
  }
}

template <int R, int P>
void Int8TileOf(int64_t num_rows, const std::byte* panels, int64_t panel_bytes, const Int8Rows& x, int64_t row,
                float* c, int64_t c_stride) {
  if (num_rows == R) return Int8Tile<R, P>(panels, panel_bytes, x, row, c, c_stride);
  if constexpr (R > 1) Int8TileOf<R - 1, P>(num_rows, panels, panel_bytes, x, row, c, c_stride);
}

template <int P>
void Int8OfPanels(const std::byte* panels, int64_t panel_bytes, const Int8Rows& x, int64_t num_rows, float* c,
                  int64_t c_stride) {
  const int64_t passes = (num_rows + kInt8TileRows - 1) / kInt8TileRows;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const int64_t begin = pass * num_rows / passes, end = (pass + 1) * num_rows / passes;
    Int8TileOf<kInt8TileRows, P>(end - begin, panels, panel_bytes, x, begin, c, c_stride);
  }
}

void Int8Products(const std::byte* panels, int64_t panel_bytes, int64_t num_panels, const Int8Rows& x, int64_t num_rows,
                  float* c, int64_t c_stride) {
  int64_t panel = 0;
  for (; panel + kInt8TilePanels <= num_panels; panel += kInt8TilePanels) {
    Int8OfPanels<kInt8TilePanels>(panels + panel * panel_bytes, panel_bytes, x, num_rows, c + panel * kPanel, c_stride);
  }
  for (; panel < num_panels; ++panel) {
    Int8OfPanels<1>(panels + panel * panel_bytes, panel_bytes, x, num_rows, c + panel * kPanel, c_stride);
  }
}

}  // namespace
}  // namespace retro::kernels
