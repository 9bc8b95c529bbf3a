#include "model/kernels/matmul.h"

#include <algorithm>
#include <cassert>
#include <functional>

#include "core/thread_pool.h"
#include "model/kernels/kernels.h"
#include "model/kernels/packed_format.h"
#include "model/kernels/thread_buffer.h"

namespace retro {
namespace kernels {
namespace {

// Depth of one pass: a panel's part of 16 KiB and a tile's rows stay in the first-level cache.
constexpr int64_t kDepthBlock = 256;
// Rows of a block: their part of x, kDepthBlock deep, stays in the second-level cache.
constexpr int64_t kRowBlock = 120;
constexpr int64_t kMaxPanels = 8;
// Up to so many rows weights go by once, as fast as the memory gives them.
constexpr int64_t kStreamingRows = 24;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Product {
  const KernelTable& kernels;
  const PackedMatrix::State& weights;
  const float* x;
  int64_t num_rows, x_stride;
  float* y;
  int64_t y_stride;
  const Epilogue& epilogue;

  int64_t Columns(int64_t first_panel, int64_t num_panels) const {
    return std::min(num_panels * kPanel, weights.num_outputs - first_panel * kPanel);
  }
};

struct Tile {
  int64_t first_row, num_rows, first_panel, num_panels;
};

// Weights [begin, begin + depth) of a panel as fp32: where they lie, or widened into `buffer`.
const float* PanelPart(const Product& product, int64_t panel, int64_t begin, int64_t depth, float* buffer) {
  const PackedMatrix::State& weights = product.weights;
  if (!weights.quantized) return weights.floats(panel) + begin * kPanel;
  const int64_t group = weights.quantized->group;
  product.kernels.dequantize(*weights.quantized, weights.panel(panel), begin / group, CeilDivide(begin + depth, group),
                             buffer);
  return buffer;
}

void RunGemmTile(const Product& product, const Tile& tile) {
  thread_local ThreadBuffer<float> sums_buffer, wide_buffer;
  const int64_t width = tile.num_panels * kPanel;
  float* sums = sums_buffer.Get(tile.num_rows * width);
  float* wide = product.weights.quantized ? wide_buffer.Get(kDepthBlock * kPanel) : nullptr;
  const int64_t num_inputs = product.weights.num_inputs;
  for (int64_t begin = 0; begin < num_inputs; begin += kDepthBlock) {
    const int64_t depth = std::min(kDepthBlock, num_inputs - begin);
    for (int64_t i = 0; i < tile.num_panels; ++i) {
      product.kernels.gemm({.x = product.x + tile.first_row * product.x_stride + begin,
                            .x_stride = product.x_stride,
                            .num_rows = tile.num_rows,
                            .depth = depth,
                            .panels = PanelPart(product, tile.first_panel + i, begin, depth, wide),
                            .row_stride = kPanel,
                            .panel_stride = 0,
                            .num_panels = 1,
                            .c = sums + i * kPanel,
                            .c_stride = width,
                            .accumulate = begin > 0,
                            .streaming = product.num_rows <= kStreamingRows});
    }
  }
  Epilogue epilogue = product.epilogue;
  if (epilogue.addend != nullptr) epilogue.addend += tile.first_row * epilogue.addend_stride;
  product.kernels.finish(sums, width, tile.num_rows, product.Columns(tile.first_panel, tile.num_panels),
                         tile.first_panel * kPanel, epilogue, product.y + tile.first_row * product.y_stride,
                         product.y_stride);
}

// Panels of a tile: enough work for a thread to be worth waking, few enough for all threads to end together.
int64_t PanelsPerTile(const Product& product, int64_t num_row_blocks, size_t num_threads) {
  const int64_t tiles_wanted = 4 * static_cast<int64_t>(num_threads);
  const int64_t panels = product.weights.num_panels() * num_row_blocks / tiles_wanted;
  return std::clamp<int64_t>(panels, 1, kMaxPanels);
}

void GemmProduct(const Product& product, ThreadPool& pool) {
  const int64_t row_blocks = CeilDivide(product.num_rows, kRowBlock);
  const int64_t panels = PanelsPerTile(product, row_blocks, pool.num_threads());
  const int64_t panel_blocks = CeilDivide(product.weights.num_panels(), panels);
  const auto run = [&](size_t index) {
    const int64_t block = static_cast<int64_t>(index) / row_blocks, rows = static_cast<int64_t>(index) % row_blocks;
    const int64_t first_row = rows * product.num_rows / row_blocks;
    const int64_t first_panel = block * panels;
    RunGemmTile(product, {first_row, (rows + 1) * product.num_rows / row_blocks - first_row, first_panel,
                          std::min(panels, product.weights.num_panels() - first_panel)});
  };
  pool.ParallelFor(row_blocks * panel_blocks, std::ref(run));
}

// The rows of x as integers, in the calling thread's buffers.
QuantizedRows QuantizeRows(const Product& product) {
  thread_local ThreadBuffer<int16_t> quants_buffer;
  thread_local ThreadBuffer<float> scales_buffer;
  thread_local ThreadBuffer<int32_t> offsets_buffer;
  const int64_t depth = product.weights.depth, groups = depth / kGroup;
  int16_t* quants = quants_buffer.Get(product.num_rows * depth);
  float* scales = scales_buffer.Get(2 * product.num_rows * groups);
  float* sums = scales + product.num_rows * groups;
  int32_t* offsets = offsets_buffer.Get(product.num_rows * groups);
  for (int64_t row = 0; row < product.num_rows; ++row) {
    const int64_t at = row * groups;
    product.kernels.quantize_row(product.x + row * product.x_stride, product.weights.num_inputs,
                                 product.weights.quantized->zero_point, depth, quants + row * depth, scales + at,
                                 sums + at, offsets + at);
  }
  return {quants, scales, sums, offsets, depth};
}

void IntegerProduct(const Product& product, ThreadPool& pool) {
  const QuantizedRows x = QuantizeRows(product);
  const int64_t panels = PanelsPerTile(product, 1, pool.num_threads());
  const int64_t num_panels = product.weights.num_panels();
  const auto run = [&](size_t index) {
    float sums[kMaxIntegerRows * kMaxPanels * kPanel];
    const int64_t first = static_cast<int64_t>(index) * panels, count = std::min(panels, num_panels - first);
    const int64_t width = count * kPanel;
    for (int64_t i = 0; i < count; ++i) {
      product.kernels.integer_products(*product.weights.quantized, product.weights.panel(first + i), x,
                                       product.num_rows, sums + i * kPanel, width);
    }
    product.kernels.finish(sums, width, product.num_rows, product.Columns(first, count), first * kPanel,
                           product.epilogue, product.y, product.y_stride);
  };
  pool.ParallelFor(CeilDivide(num_panels, panels), std::ref(run));
}

}  // namespace

void MatMul(const KernelTable& kernels, const float* x, int64_t num_rows, int64_t x_stride, const PackedMatrix& weights,
            float* y, int64_t y_stride, const Epilogue& epilogue, ThreadPool& pool) {
  assert(!epilogue.add_to_output || epilogue.activation == Activation::kNone);
  if (num_rows <= 0 || weights.num_outputs() == 0) return;
  const Product product{kernels, weights.state(), x, num_rows, x_stride, y, y_stride, epilogue};
  if (product.weights.quantized && num_rows <= kMaxIntegerRows) {
    IntegerProduct(product, pool);
  } else {
    GemmProduct(product, pool);
  }
}

}  // namespace kernels

void MatMul(const float* x, int64_t num_rows, int64_t x_stride, const PackedMatrix& weights, float* y, int64_t y_stride,
            const Epilogue& epilogue, ThreadPool& pool) {
  kernels::MatMul(kernels::ActiveKernels(), x, num_rows, x_stride, weights, y, y_stride, epilogue, pool);
}

}  // namespace retro
