// The fp32 product of rows with panels, and what ends it.
#pragma once

#include <cstdint>

#include "model/kernels/functions-inl.h"
#include "model/kernels/kernels.h"

namespace retro::kernels {
namespace {

// Vectors of a panel's row.
constexpr int kPanelVectors = kPanel / kLanes;
// How far ahead of their use weights are asked for when they come from memory.
constexpr int64_t kPrefetchRows = 40;

// R rows by P panels. Every sum runs along the depth in one order, whatever R and P are: a row's result does not depend
// on the rows beside it.
template <int R, int P, bool streaming>
void GemmTile(const KernelTable::GemmArgs& args, const float* x, const float* panels, float* c) {
  constexpr int kVectors = P * kPanelVectors;
  Floats sums[R][kVectors];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = Set(0.0f);
  }
  const float* rows[R];
  for (int r = 0; r < R; ++r) rows[r] = x + r * args.x_stride;
  for (int64_t k = 0; k < args.depth; ++k) {
    Floats weights[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const float* panel = panels + v / kPanelVectors * args.panel_stride + v % kPanelVectors * kLanes;
      weights[v] = Load(panel + k * args.row_stride);
      if (streaming && v % kPanelVectors == 0) __builtin_prefetch(panel + (k + kPrefetchRows) * kPanel);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Floats value = Set(rows[r][k]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Fma(value, weights[v], sums[r][v]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      float* to = c + r * args.c_stride + v / kPanelVectors * kPanel + v % kPanelVectors * kLanes;
      Store(to, args.accumulate ? Load(to) + sums[r][v] : sums[r][v]);
    }
  }
}

template <int R, int P, bool streaming>
void GemmRows(const KernelTable::GemmArgs& args, int64_t num_rows, const float* x, const float* panels, float* c) {
  if (num_rows == R) return GemmTile<R, P, streaming>(args, x, panels, c);
  if constexpr (R > 1) GemmRows<R - 1, P, streaming>(args, num_rows, x, panels, c);
}

// Groups of P panels from `panel` on, in tiles of at most R rows; returns the first panel that is left. Rows are split
// evenly: 8 of at most 6 run as 4 and 4.
template <int R, int P, bool streaming>
int64_t GemmPanels(const KernelTable::GemmArgs& args, int64_t panel) {
  const int64_t groups = (args.num_rows + R - 1) / R;
  for (; panel + P <= args.num_panels; panel += P) {
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t begin = group * args.num_rows / groups, end = (group + 1) * args.num_rows / groups;
      GemmRows<R, P, streaming>(args, end - begin, args.x + begin * args.x_stride,
                                args.panels + panel * args.panel_stride,
                                args.c + begin * args.c_stride + panel * kPanel);
    }
  }
  return panel;
}

// Few rows take several panels at a time, so that one addition need not wait for another.
template <bool streaming>
void GemmAll(const KernelTable::GemmArgs& args) {
  int64_t panel = 0;
  if (args.num_rows == 1) panel = GemmPanels<1, 4, streaming>(args, panel);
  if (args.num_rows <= kFewRows) panel = GemmPanels<kFewRows, 2, streaming>(args, panel);
  panel = GemmPanels<kTileRows, kTilePanels, streaming>(args, panel);
  GemmPanels<kTileRows, 1, streaming>(args, panel);
}

void Gemm(const KernelTable::GemmArgs& args) { args.streaming ? GemmAll<true>(args) : GemmAll<false>(args); }

inline Floats Biased(const float* c, const float* bias, int count) {
  const Floats v = LoadLanes(c, count);
  return bias == nullptr ? v : v + LoadLanes(bias, count);
}

// Epilogue::addend from the first of the columns on.
struct Addend {
  const float* row;
  int64_t stride;

  Floats AddTo(Floats v, int64_t column, int count) const {
    return row == nullptr ? v : v + LoadLanes(row + column, count);
  }
  void NextRow() { row = row == nullptr ? nullptr : row + stride; }
};

template <typename Function>
void FinishRows(const float* c, int64_t c_stride, int64_t num_rows, int64_t columns, const float* bias, Addend addend,
                float* y, int64_t y_stride, bool add, const Function& function) {
  for (; num_rows > 0; --num_rows, c += c_stride, addend.NextRow(), y += y_stride) {
    ForLanes(columns, [&](int64_t i, int count) {
      const Floats v = function(addend.AddTo(Biased(c + i, bias == nullptr ? nullptr : bias + i, count), i, count));
      StoreLanes(y + i, add ? v + LoadLanes(y + i, count) : v, count);
    });
  }
}

// Columns 2i are gates, 2i + 1 what they let through.
void FinishGated(const float* c, int64_t c_stride, int64_t num_rows, int64_t columns, const float* bias, Addend addend,
                 float* y, int64_t y_stride) {
  const auto load = [&](int64_t i) {
    const int count = static_cast<int>(columns - i < kLanes ? columns - i : kLanes);
    if (count <= 0) return Set(0.0f);
    return addend.AddTo(Biased(c + i, bias == nullptr ? nullptr : bias + i, count), i, count);
  };
  for (; num_rows > 0; --num_rows, c += c_stride, addend.NextRow(), y += y_stride) {
    ForLanes(columns / 2, [&](int64_t i, int count) {
      const Floats low = load(2 * i), high = load(2 * i + kLanes);
      StoreLanes(y + i, Silu(EvenLanes(low, high)) * OddLanes(low, high), count);
    });
  }
}

void Finish(const float* c, int64_t c_stride, int64_t num_rows, int64_t columns, int64_t first,
            const Epilogue& epilogue, float* y, int64_t y_stride) {
  const float* bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + first;
  const Addend addend{epilogue.addend == nullptr ? nullptr : epilogue.addend + first, epilogue.addend_stride};
  const auto finish = [&](const auto& function) {
    FinishRows(c, c_stride, num_rows, columns, bias, addend, y + first, y_stride, epilogue.add_to_output, function);
  };
  switch (epilogue.activation) {
    case Activation::kNone:
      return finish([](Floats v) { return v; });
    case Activation::kGelu:
      return finish([](Floats v) { return Gelu(v); });
    case Activation::kGeluTanh:
      return finish([](Floats v) { return GeluTanh(v); });
    case Activation::kSiluGate:
      return FinishGated(c, c_stride, num_rows, columns, bias, addend, y + first / 2, y_stride);
  }
}

}  // namespace
}  // namespace retro::kernels
