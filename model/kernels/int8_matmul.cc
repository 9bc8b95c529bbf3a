#include "model/kernels/int8_matmul.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <functional>

#include "core/thread_pool.h"
#include "model/kernels/kernels.h"
#include "model/kernels/packed_format.h"
#include "model/kernels/thread_buffer.h"
#include "model/kernels/tiles.h"

namespace retro {

struct Int8Matrix::State {
  int64_t num_outputs, num_inputs;
  int64_t num_groups, panel_bytes;
  kernels::PageBuffer panels;  // outputs beyond num_outputs are zeros

  int64_t num_panels() const { return kernels::CeilDivide(num_outputs, kernels::kPanel); }
  std::byte* panel(int64_t index) const { return panels.data() + index * panel_bytes; }
};

namespace kernels {
namespace {

// Rows of x that are held in 8 bits at a time, and of them those that one task makes.
constexpr int64_t kMaxInt8Rows = 8 * kRowBlock;
constexpr int64_t kInt8RowsPerTask = 16;

// Puts one output's group into its lane of a record, all of whose bytes there are still 0.
void PackInt8Group(std::span<const float> weights, int64_t lane, std::byte* record, float* scales) {
  float largest = 0, sum = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(weight));
  const float scale = largest / 127;
  for (size_t k = 0; k < weights.size(); ++k) {
    const float quant = scale < 1e-30f ? 0.0f : std::nearbyint(weights[k] / scale);
    record[(k / kInt8Quad * kPanel + lane) * kInt8Quad + k % kInt8Quad] = std::byte(static_cast<int8_t>(quant));
    sum += quant;
  }
  scales[lane] = scale;
  scales[kPanel + lane] = scale * sum;
}

void PackInt8Panel(std::span<const float> weights, const Int8Matrix::State& state, int64_t index) {
  std::byte* record = state.panel(index);
  std::memset(record, 0, state.panel_bytes);
  const int64_t outputs = std::min(kPanel, state.num_outputs - index * kPanel);
  for (int64_t group = 0; group < state.num_groups; ++group) {
    const int64_t begin = group * kInt8Group, count = std::min(kInt8Group, state.num_inputs - begin);
    const int64_t weight_bytes = Int8Quads(state.num_inputs, group) * kInt8Quad * kPanel;
    auto* scales = reinterpret_cast<float*>(record + weight_bytes);
    for (int64_t lane = 0; lane < outputs; ++lane) {
      const int64_t at = (index * kPanel + lane) * state.num_inputs + begin;
      PackInt8Group(weights.subspan(at, count), lane, record, scales);
    }
    record += weight_bytes + kInt8ScaleBytes;
  }
}

// One call's rows: those of x that are in 8 bits, and where what comes of them goes.
struct Int8Product {
  const KernelTable& kernels;
  const Int8Matrix::State& weights;
  Int8Rows x;
  float* y;
  int64_t y_stride;
  Epilogue epilogue;

  // A few panels at a time: the sums of a tile's rows stay in the first-level cache until they are finished.
  void Run(const Tile& tile) const {
    for (int64_t i = 0; i < tile.num_panels; i += kernels.int8_panels) {
      RunPanels(tile, tile.first_panel + i, std::min(kernels.int8_panels, tile.num_panels - i));
    }
  }

 private:
  void RunPanels(const Tile& tile, int64_t panel, int64_t num_panels) const {
    thread_local ThreadBuffer<float> buffer;
    const int64_t width = num_panels * kPanel, first = panel * kPanel;
    float* sums = buffer.Get(tile.num_rows * width);
    Int8Rows rows = x;
    rows.words += tile.first_row * x.row_words;
    rows.scales += tile.first_row * x.num_groups;
    rows.minimums += tile.first_row * x.num_groups;
    kernels.int8_products(weights.panel(panel), weights.panel_bytes, num_panels, rows, tile.num_rows, sums, width);
    Epilogue of_tile = epilogue;
    if (of_tile.addend != nullptr) of_tile.addend += tile.first_row * of_tile.addend_stride;
    kernels.finish(sums, width, tile.num_rows, std::min(width, weights.num_outputs - first), first, of_tile,
                   y + tile.first_row * y_stride, y_stride);
  }
};

// Rows of x in 8 bits, in the calling thread's buffers.
Int8Rows QuantizeInt8Rows(const KernelTable& kernels, const float* x, int64_t num_rows, int64_t x_stride,
                          const Int8Matrix::State& weights, ThreadPool& pool) {
  thread_local ThreadBuffer<uint32_t> words_buffer;
  thread_local ThreadBuffer<float> scales_buffer;
  const int64_t row_words = Int8Depth(weights.num_inputs) / kInt8Quad * kernels.quad_words;
  const int64_t groups = weights.num_groups;
  uint32_t* words = words_buffer.Get(num_rows * row_words);
  float* scales = scales_buffer.Get(2 * num_rows * groups);
  float* minimums = scales + num_rows * groups;
  const auto run = [&](size_t task) {
    const int64_t begin = static_cast<int64_t>(task) * kInt8RowsPerTask;
    for (int64_t row = begin; row < std::min(begin + kInt8RowsPerTask, num_rows); ++row) {
      kernels.quantize_int8_row(x + row * x_stride, weights.num_inputs, words + row * row_words, scales + row * groups,
                                minimums + row * groups);
    }
  };
  pool.ParallelFor(CeilDivide(num_rows, kInt8RowsPerTask), std::ref(run));
  return {words, scales, minimums, row_words, groups, weights.num_inputs};
}

}  // namespace

void MatMul(const KernelTable& kernels, const float* x, int64_t num_rows, int64_t x_stride, const Int8Matrix& weights,
            float* y, int64_t y_stride, const Epilogue& epilogue, ThreadPool& pool) {
  assert(!epilogue.add_to_output || epilogue.activation == Activation::kNone);
  for (int64_t begin = 0; begin < num_rows; begin += kMaxInt8Rows) {
    const int64_t count = std::min(kMaxInt8Rows, num_rows - begin);
    Int8Product product{kernels,
                        weights.state(),
                        QuantizeInt8Rows(kernels, x + begin * x_stride, count, x_stride, weights.state(), pool),
                        y + begin * y_stride,
                        y_stride,
                        epilogue};
    if (epilogue.addend != nullptr) product.epilogue.addend += begin * epilogue.addend_stride;
    ForTiles(count, weights.state().num_panels(), pool, [&](const Tile& tile) { product.Run(tile); });
  }
}

}  // namespace kernels

Int8Matrix::Int8Matrix() = default;
Int8Matrix::~Int8Matrix() = default;
Int8Matrix::Int8Matrix(Int8Matrix&&) noexcept = default;
Int8Matrix& Int8Matrix::operator=(Int8Matrix&&) noexcept = default;

Int8Matrix::Int8Matrix(std::span<const float> weights, int64_t num_outputs, int64_t num_inputs, ThreadPool& pool) {
  using namespace kernels;
  const int64_t groups = CeilDivide(num_inputs, kInt8Group);
  const int64_t panel_bytes = Int8Depth(num_inputs) * kPanel + groups * kInt8ScaleBytes;
  PageBuffer panels(CeilDivide(num_outputs, kPanel) * panel_bytes);
  state_ = std::make_unique<State>(State{num_outputs, num_inputs, groups, panel_bytes, std::move(panels)});
  pool.ParallelFor(state_->num_panels(),
                   [&](size_t index) { PackInt8Panel(weights, *state_, static_cast<int64_t>(index)); });
}

int64_t Int8Matrix::num_outputs() const { return state_ ? state_->num_outputs : 0; }
int64_t Int8Matrix::num_inputs() const { return state_ ? state_->num_inputs : 0; }
size_t Int8Matrix::bytes() const { return state_ ? state_->panels.bytes() : 0; }

void MatMul(const float* x, int64_t num_rows, int64_t x_stride, const Int8Matrix& weights, float* y, int64_t y_stride,
            const Epilogue& epilogue, ThreadPool& pool) {
  kernels::MatMul(kernels::ActiveKernels(), x, num_rows, x_stride, weights, y, y_stride, epilogue, pool);
}

}  // namespace retro
