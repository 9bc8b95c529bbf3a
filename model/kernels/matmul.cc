#include "model/kernels/matmul.h"

#include <algorithm>
#include <cassert>
#include <functional>

#include "core/thread_pool.h"
#include "model/kernels/kernels.h"
#include "model/kernels/packed_format.h"
#include "model/kernels/thread_buffer.h"
#include "model/kernels/tiles.h"

namespace retro {
namespace kernels {
namespace {

// Depth of one pass: a panel's part of 16 KiB and a tile's rows stay in the first-level cache.
constexpr int64_t kDepthBlock = 256;
// Up to so many rows weights go by once, as fast as the memory gives them.
constexpr int64_t kStreamingRows = 24;
// Rows of x that are held as integers at a time, and of them those that one task makes.
constexpr int64_t kMaxIntegerRows = 960;
constexpr int64_t kQuantizeRows = 16;

struct Product {
  const KernelTable& kernels;
  const PackedMatrix::State& weights;
  const float* x;
  int64_t num_rows, x_stride;
  float* y;
  int64_t y_stride;
  Epilogue epilogue;

  // Stores a tile's sums, [num_rows, num_panels * 16].
  void Finish(const Tile& tile, const float* sums) const {
    const int64_t first = tile.first_panel * kPanel, width = tile.num_panels * kPanel;
    Epilogue of_tile = epilogue;
    if (of_tile.addend != nullptr) of_tile.addend += tile.first_row * of_tile.addend_stride;
    kernels.finish(sums, width, tile.num_rows, std::min(width, weights.num_outputs - first), first, of_tile,
                   y + tile.first_row * y_stride, y_stride);
  }
};

// Panels of one call: the part of one panel stays in the first-level cache while many rows go by; few rows take all.
int64_t PanelsPerCall(const Tile& tile) { return tile.num_rows <= kFewRows ? tile.num_panels : 1; }

void RunGemmTile(const Product& product, const Tile& tile) {
  thread_local ThreadBuffer<float> buffer;
  const int64_t width = tile.num_panels * kPanel, panels = PanelsPerCall(tile);
  float* sums = buffer.Get(tile.num_rows * width);
  const int64_t num_inputs = product.weights.num_inputs;
  for (int64_t begin = 0; begin < num_inputs; begin += kDepthBlock) {
    for (int64_t i = 0; i < tile.num_panels; i += panels) {
      product.kernels.gemm({.x = product.x + tile.first_row * product.x_stride + begin,
                            .x_stride = product.x_stride,
                            .num_rows = tile.num_rows,
                            .depth = std::min(kDepthBlock, num_inputs - begin),
                            .panels = product.weights.floats(tile.first_panel + i) + begin * kPanel,
                            .row_stride = kPanel,
                            .panel_stride = num_inputs * kPanel,
                            .num_panels = panels,
                            .c = sums + i * kPanel,
                            .c_stride = width,
                            .accumulate = begin > 0,
                            .streaming = product.num_rows <= kStreamingRows});
    }
  }
  product.Finish(tile, sums);
}

// The rows of `x` that a tile takes, as integers, times its panels.
void RunIntegerTile(const Product& product, const QuantizedRows& x, const Tile& tile) {
  thread_local ThreadBuffer<float> buffer;
  const int64_t width = tile.num_panels * kPanel, groups = x.num_inputs / kGroup;
  float* sums = buffer.Get(tile.num_rows * width);
  const QuantizedRows rows = {x.quants + tile.first_row * x.num_inputs, x.scales + tile.first_row * groups,
                              x.sums + tile.first_row * groups, x.offsets + tile.first_row * groups, x.num_inputs};
  for (int64_t i = 0; i < tile.num_panels; ++i) {
    product.kernels.integer_products(*product.weights.quantized, product.weights.panel(tile.first_panel + i), rows,
                                     tile.num_rows, sums + i * kPanel, width);
  }
  product.Finish(tile, sums);
}

// The rows of x as integers, in the calling thread's buffers.
QuantizedRows QuantizeRows(const Product& product, ThreadPool& pool) {
  thread_local ThreadBuffer<int16_t> quants_buffer;
  thread_local ThreadBuffer<float> scales_buffer;
  thread_local ThreadBuffer<int32_t> offsets_buffer;
  const int64_t depth = product.weights.depth, groups = depth / kGroup;
  int16_t* quants = quants_buffer.Get(product.num_rows * depth);
  float* scales = scales_buffer.Get(2 * product.num_rows * groups);
  float* sums = scales + product.num_rows * groups;
  int32_t* offsets = offsets_buffer.Get(product.num_rows * groups);
  const auto run = [&](size_t block) {
    const int64_t begin = static_cast<int64_t>(block) * kQuantizeRows;
    for (int64_t row = begin; row < std::min(begin + kQuantizeRows, product.num_rows); ++row) {
      const int64_t at = row * groups;
      product.kernels.quantize_row(product.x + row * product.x_stride, product.weights.num_inputs,
                                   product.weights.quantized->zero_point, depth, quants + row * depth, scales + at,
                                   sums + at, offsets + at);
    }
  };
  pool.ParallelFor(CeilDivide(product.num_rows, kQuantizeRows), std::ref(run));
  return {quants, scales, sums, offsets, depth};
}

void IntegerProduct(const Product& product, ThreadPool& pool) {
  const QuantizedRows x = QuantizeRows(product, pool);
  ForTiles(product.num_rows, product.weights.num_panels(), pool,
           [&](const Tile& tile) { RunIntegerTile(product, x, tile); });
}

}  // namespace

void MatMul(const KernelTable& kernels, const float* x, int64_t num_rows, int64_t x_stride, const PackedMatrix& weights,
            float* y, int64_t y_stride, const Epilogue& epilogue, ThreadPool& pool) {
  assert(!epilogue.add_to_output || epilogue.activation == Activation::kNone);
  if (num_rows <= 0 || weights.num_outputs() == 0) return;
  Product product{kernels, weights.state(), x, num_rows, x_stride, y, y_stride, epilogue};
  if (!product.weights.quantized) {
    return ForTiles(num_rows, product.weights.num_panels(), pool,
                    [&](const Tile& tile) { RunGemmTile(product, tile); });
  }
  for (; num_rows > 0; num_rows -= product.num_rows) {
    product.num_rows = std::min(num_rows, kMaxIntegerRows);
    IntegerProduct(product, pool);
    product.x += product.num_rows * x_stride;
    product.y += product.num_rows * y_stride;
    if (epilogue.addend != nullptr) product.epilogue.addend += product.num_rows * epilogue.addend_stride;
  }
}

}  // namespace kernels

void MatMul(const float* x, int64_t num_rows, int64_t x_stride, const PackedMatrix& weights, float* y, int64_t y_stride,
            const Epilogue& epilogue, ThreadPool& pool) {
  kernels::MatMul(kernels::ActiveKernels(), x, num_rows, x_stride, weights, y, y_stride, epilogue, pool);
}

}  // namespace retro
