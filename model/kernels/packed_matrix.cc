#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "core/error.h"
#include "core/thread_pool.h"
#include "model/dequantize.h"
#include "model/kernels/half.h"
#include "model/kernels/matmul.h"
#include "model/kernels/packed_format.h"
#include "model/kernels/quantized_groups.h"

namespace retro {

namespace kernels {

PageBuffer::PageBuffer(size_t bytes) : bytes_(bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t page = bytes >= kHugePage ? kHugePage : 4096;
  const size_t rounded = (std::max<size_t>(bytes, 1) + page - 1) / page * page;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(page, rounded)));
  if (!data_)
    Throw(ErrorCode::kUnavailable, "no memory for {} bytes of weights: free some, or use a smaller model", bytes);
  // Only advice: without huge pages all works, a little slower.
  if (page == kHugePage) ::madvise(data_.get(), rounded, MADV_HUGEPAGE);
}

void PageBuffer::Free::operator()(std::byte* data) const { std::free(data); }

namespace {

struct Shape {
  int64_t num_outputs, num_inputs;
};

Shape ShapeOf(const TensorView& tensor, bool transposed) {
  if (tensor.shape.size() != 2 || tensor.shape[0] <= 0 || tensor.shape[1] <= 0) {
    Throw(ErrorCode::kInvalidArgument, "tensor {} has shape {}: a weight matrix needs two dimensions", tensor.name,
          ShapeText(tensor.shape));
  }
  if (!IsWeightType(tensor.type)) {
    Throw(ErrorCode::kInvalidArgument, "tensor {} is {}: weights must be F32, F16, BF16 or quantized", tensor.name,
          DataTypeName(tensor.type));
  }
  if (TensorBytes(tensor.type, tensor.shape) != tensor.bytes.size()) {
    Throw(ErrorCode::kCorruption, "tensor {} {} of {} has {} bytes: the file is damaged; fetch it again", tensor.name,
          ShapeText(tensor.shape), DataTypeName(tensor.type), tensor.bytes.size());
  }
  if (transposed && BlockElements(tensor.type) != 1) {
    Throw(ErrorCode::kInvalidArgument, "tensor {} is {}: only float types can be packed from their transpose",
          tensor.name, DataTypeName(tensor.type));
  }
  if (transposed) return {tensor.shape[1], tensor.shape[0]};
  return {tensor.shape[0], tensor.shape[1]};
}

// Outputs of all tensors together.
Shape StackedShape(std::span<const TensorView* const> tensors, bool transposed) {
  if (tensors.empty()) Throw(ErrorCode::kInvalidArgument, "no tensor to pack");
  Shape sum{0, ShapeOf(*tensors[0], transposed).num_inputs};
  for (const TensorView* tensor : tensors) {
    const Shape shape = ShapeOf(*tensor, transposed);
    if (shape.num_inputs != sum.num_inputs) {
      Throw(ErrorCode::kInvalidArgument, "tensors {} and {} have {} and {} inputs: they cannot be stacked",
            tensors[0]->name, tensor->name, sum.num_inputs, shape.num_inputs);
    }
    const bool quantized = BlockElements(tensors[0]->type) != 1 || BlockElements(tensor->type) != 1;
    if (quantized && tensor->type != tensors[0]->type) {
      Throw(ErrorCode::kInvalidArgument, "tensors {} and {} are {} and {}: they cannot be stacked", tensors[0]->name,
            tensor->name, DataTypeName(tensors[0]->type), DataTypeName(tensor->type));
    }
    sum.num_outputs += shape.num_outputs;
  }
  return sum;
}

PackedMatrix::State MakeState(std::span<const TensorView* const> tensors, bool transposed, WeightPrecision precision) {
  const Shape shape = StackedShape(tensors, transposed);
  std::optional<QuantizedFormat> format;
  if (BlockElements(tensors[0]->type) != 1) {
    format = FormatOf(tensors[0]->type);
  } else if (precision == WeightPrecision::kInt8) {
    format = Int8Format();
  }
  const int64_t depth = format ? (shape.num_inputs + kGroup - 1) / kGroup * kGroup : shape.num_inputs;
  const size_t panel_bytes = format ? depth / format->group * format->record_bytes() : depth * kPanel * sizeof(float);
  const int64_t num_panels = (shape.num_outputs + kPanel - 1) / kPanel;
  return {shape.num_outputs, shape.num_inputs, depth, format, panel_bytes, PageBuffer(num_panels * panel_bytes)};
}

// One output of the stack: a row or column of one tensor.
struct Output {
  const TensorView* tensor;
  int64_t index;
};

Output FindOutput(std::span<const TensorView* const> tensors, bool transposed, int64_t output) {
  for (const TensorView* tensor : tensors) {
    const int64_t count = tensor->shape[transposed ? 1 : 0];
    if (output < count) return {tensor, output};
    output -= count;
  }
  return {nullptr, 0};
}

// Columns of a transposed tensor that follow one another are read together.
void PackColumns(const Output& first, int64_t count, int64_t num_inputs, float* panel) {
  const TensorView& tensor = *first.tensor;
  const auto element_bytes = static_cast<int64_t>(BlockBytes(tensor.type));
  for (int64_t k = 0; k < num_inputs; ++k) {
    const std::byte* from = tensor.bytes.data() + (k * tensor.shape[1] + first.index) * element_bytes;
    DequantizeBlocks(tensor.type, from, count, panel + k * kPanel);
  }
}

void PackRow(const Output& output, int64_t num_inputs, std::span<float> row, float* panel) {
  const TensorView& tensor = *output.tensor;
  const auto row_bytes = num_inputs * static_cast<int64_t>(BlockBytes(tensor.type));
  DequantizeBlocks(tensor.type, tensor.bytes.data() + output.index * row_bytes, num_inputs, row.data());
  for (int64_t k = 0; k < num_inputs; ++k) panel[k * kPanel] = row[k];
}

// Outputs [16 * index, 16 * index + 16) of float tensors as fp32 [num_inputs, 16].
void PackFloatPanel(std::span<const TensorView* const> tensors, bool transposed, Shape shape, int64_t index,
                    float* panel) {
  std::vector<float> row(transposed ? 0 : shape.num_inputs);
  int64_t j = 0;
  while (j < kPanel && index * kPanel + j < shape.num_outputs) {
    const Output output = FindOutput(tensors, transposed, index * kPanel + j);
    if (transposed) {
      const int64_t count = std::min(kPanel - j, output.tensor->shape[1] - output.index);
      PackColumns(output, count, shape.num_inputs, panel + j);
      j += count;
    } else {
      PackRow(output, shape.num_inputs, row, panel + j);
      ++j;
    }
  }
  for (; j < kPanel; ++j) {
    for (int64_t k = 0; k < shape.num_inputs; ++k) panel[k * kPanel + j] = 0;
  }
}

void StoreScale(bool half, float value, std::byte* scales, int64_t lane) {
  if (half) {
    const uint16_t bits = FloatToHalf(value);
    std::memcpy(scales + lane * sizeof bits, &bits, sizeof bits);
  } else {
    std::memcpy(scales + lane * sizeof value, &value, sizeof value);
  }
}

// Puts a group into lane `lane` of a record, all of whose bits there are still 0.
void StoreGroup(const QuantizedFormat& format, const QuantizedGroup& group, int64_t lane, std::byte* record) {
  for (int64_t k = 0; k < format.group; ++k) {
    const auto quant = static_cast<uint8_t>(group.quants[k]);
    const int64_t pair = k / 2, odd = k % 2;
    if (format.bits == 8) {
      record[(pair * kPanel + lane) * 2 + odd] = std::byte{quant};
    } else {
      // Word of the 8 inputs' quad; pair i of it is nibble i, so bits 4 (i % 2) of byte i / 2.
      const int64_t word = (pair / 4 * kPanel + lane) * 2 + odd;
      record[word * 2 + pair % 4 / 2] |= std::byte(quant << (pair % 2 * 4));
    }
  }
  std::byte* scales = record + format.weight_bytes();
  StoreScale(format.half_scales, group.scale, scales, lane);
  if (format.has_minimum) StoreScale(format.half_scales, group.minimum, scales + format.scale_bytes(), lane);
}

void PackQuantizedPanel(std::span<const TensorView* const> tensors, const PackedMatrix::State& state, int64_t index) {
  const QuantizedFormat& format = *state.quantized;
  std::memset(state.panel(index), 0, state.panel_bytes);
  for (int64_t j = 0; j < std::min(kPanel, state.num_outputs - index * kPanel); ++j) {
    const Output output = FindOutput(tensors, false, index * kPanel + j);
    const TensorView& tensor = *output.tensor;
    const size_t row_bytes = tensor.bytes.size() / tensor.shape[0];
    const std::byte* blocks = tensor.bytes.data() + output.index * row_bytes;
    for (int64_t i = 0; i < state.depth / format.group; ++i) {
      StoreGroup(format, ReadGroup(tensor.type, blocks, i), j, state.panel(index) + i * format.record_bytes());
    }
  }
}

void PackInt8Panel(std::span<const TensorView* const> tensors, bool transposed, const PackedMatrix::State& state,
                   int64_t index) {
  std::vector<float> panel(state.depth * kPanel);
  PackFloatPanel(tensors, transposed, {state.num_outputs, state.num_inputs}, index, panel.data());
  std::memset(state.panel(index), 0, state.panel_bytes);
  for (int64_t i = 0; i < state.depth / kGroup; ++i) {
    for (int64_t j = 0; j < kPanel; ++j) {
      float values[kGroup];
      for (int64_t k = 0; k < kGroup; ++k) values[k] = panel[(i * kGroup + k) * kPanel + j];
      StoreGroup(*state.quantized, QuantizeFloats(values), j, state.panel(index) + i * state.quantized->record_bytes());
    }
  }
}

}  // namespace
}  // namespace kernels

PackedMatrix::PackedMatrix() = default;
PackedMatrix::~PackedMatrix() = default;
PackedMatrix::PackedMatrix(PackedMatrix&&) noexcept = default;
PackedMatrix& PackedMatrix::operator=(PackedMatrix&&) noexcept = default;

PackedMatrix::PackedMatrix(std::span<const TensorView* const> tensors, bool transposed, WeightPrecision precision,
                           ThreadPool& pool)
    : state_(std::make_unique<State>(kernels::MakeState(tensors, transposed, precision))) {
  const bool quantized_source = BlockElements(tensors[0]->type) != 1;
  pool.ParallelFor(state_->num_panels(), [&](size_t index) {
    const auto panel = static_cast<int64_t>(index);
    if (quantized_source) {
      kernels::PackQuantizedPanel(tensors, *state_, panel);
    } else if (state_->quantized) {
      kernels::PackInt8Panel(tensors, transposed, *state_, panel);
    } else {
      kernels::PackFloatPanel(tensors, transposed, {state_->num_outputs, state_->num_inputs}, panel,
                              state_->floats(panel));
    }
  });
}

int64_t PackedMatrix::num_outputs() const { return state_ ? state_->num_outputs : 0; }
int64_t PackedMatrix::num_inputs() const { return state_ ? state_->num_inputs : 0; }
size_t PackedMatrix::bytes() const { return state_ ? state_->panels.bytes() : 0; }

void PackedMatrix::CopyRow(int64_t output, std::span<float> out) const {
  const int64_t panel = output / kernels::kPanel, lane = output % kernels::kPanel;
  if (!state_->quantized) {
    const float* from = state_->floats(panel) + lane;
    for (size_t k = 0; k < out.size(); ++k) out[k] = from[k * kernels::kPanel];
    return;
  }
  const kernels::QuantizedFormat& format = *state_->quantized;
  std::vector<float> wide(format.group * kernels::kPanel);
  for (int64_t k = 0; k < state_->num_inputs; ++k) {
    if (k % format.group == 0) {
      const int64_t record = k / format.group;
      kernels::ActiveKernels().dequantize(format, state_->panel(panel), record, record + 1, wide.data());
    }
    out[k] = wide[k % format.group * kernels::kPanel + lane];
  }
}

}  // namespace retro
