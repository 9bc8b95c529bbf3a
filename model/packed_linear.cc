#include "model/packed_linear.h"

#include <algorithm>
#include <cstring>

#include "model/kernels/thread_buffer.h"

namespace retro {
namespace {

const TensorView& Weight(const TensorSource& tensors, const LinearPart& part, int64_t num_inputs, bool transposed) {
  const int64_t shape[] = {transposed ? num_inputs : part.num_outputs, transposed ? part.num_outputs : num_inputs};
  return tensors.Get(part.weight, shape);
}

template <typename T>
std::vector<T> InterleaveRows(std::span<const T> even, std::span<const T> odd, size_t row_size) {
  std::vector<T> rows(even.size() + odd.size());
  for (size_t at = 0; at < even.size(); at += row_size) {
    std::copy_n(even.data() + at, row_size, rows.data() + 2 * at);
    std::copy_n(odd.data() + at, row_size, rows.data() + 2 * at + row_size);
  }
  return rows;
}

// Same formats are interleaved as they are, different ones as fp32.
PackedMatrix PackInterleaved(const TensorView& gate, const TensorView& up, LinearFormat format, ThreadPool& pool) {
  TensorView rows{gate.name + " with " + up.name, gate.type, {2 * gate.shape[0], gate.shape[1]}, {}};
  const TensorView* views[] = {&rows};
  if (gate.type == up.type) {
    const auto bytes = InterleaveRows(gate.bytes, up.bytes, gate.bytes.size() / gate.shape[0]);
    rows.bytes = bytes;
    return PackedMatrix(views, false, format.precision, pool);
  }
  const std::vector<float> gate_floats = Dequantize(gate), up_floats = Dequantize(up);
  const auto floats = InterleaveRows(std::span(gate_floats), std::span(up_floats), gate.shape[1]);
  rows.type = DataType::kF32;
  rows.bytes = std::as_bytes(std::span(floats));
  return PackedMatrix(views, false, format.precision, pool);
}

PackedMatrix PackFloats(std::span<const float> values, int64_t num_outputs, int64_t num_inputs,
                        WeightPrecision precision, ThreadPool& pool) {
  const TensorView view{"low-rank update", DataType::kF32, {num_outputs, num_inputs}, std::as_bytes(values)};
  const TensorView* views[] = {&view};
  return PackedMatrix(views, false, precision, pool);
}

}  // namespace

std::vector<float> StackedBias(const TensorSource& tensors, std::span<const LinearPart> parts) {
  if (std::ranges::all_of(parts, [](const LinearPart& part) { return part.bias.empty(); })) return {};
  std::vector<float> stacked;
  for (const LinearPart& part : parts) {
    const int64_t shape[] = {part.num_outputs};
    const auto bias =
        part.bias.empty() ? std::vector<float>(part.num_outputs) : Dequantize(tensors.Get(part.bias, shape));
    stacked.insert(stacked.end(), bias.begin(), bias.end());
  }
  return stacked;
}

PackedLinear::PackedLinear(const TensorSource& tensors, std::span<const LinearPart> parts, int64_t num_inputs,
                           LinearFormat format, ThreadPool& pool)
    : bias_(StackedBias(tensors, parts)) {
  std::vector<const TensorView*> alike;
  for (const LinearPart& part : parts) {
    const TensorView& view = Weight(tensors, part, num_inputs, format.transposed);
    if (!alike.empty() && alike.back()->type != view.type) {
      matrices_.emplace_back(alike, format.transposed, format.precision, pool);
      alike.clear();
    }
    alike.push_back(&view);
  }
  matrices_.emplace_back(alike, format.transposed, format.precision, pool);
}

PackedLinear PackedLinear::GateAndUp(const TensorSource& tensors, const LinearPart& gate, const LinearPart& up,
                                     int64_t num_inputs, LinearFormat format, ThreadPool& pool) {
  PackedLinear linear;
  linear.matrices_.push_back(
      PackInterleaved(Weight(tensors, gate, num_inputs, false), Weight(tensors, up, num_inputs, false), format, pool));
  const LinearPart parts[] = {gate, up};
  const auto bias = StackedBias(tensors, parts);
  const auto halves = std::span(bias);
  linear.bias_ = InterleaveRows(halves.first(bias.size() / 2), halves.last(bias.size() / 2), 1);
  return linear;
}

void PackedLinear::SetUpdates(std::span<const LowRankUpdate* const> updates, std::span<const LinearPart> parts,
                              bool interleaved, WeightPrecision precision, ThreadPool& pool) {
  int64_t rank = 0, num_inputs = 0;
  for (const LowRankUpdate* update : updates) {
    if (update == nullptr) continue;
    rank += update->rank;
    num_inputs = update->num_inputs;
  }
  if (rank == 0) return;
  std::vector<float> down, up(num_outputs() * rank, 0.0f);
  int64_t first_rank = 0, first_output = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (const LowRankUpdate* update = updates[i]; update != nullptr) {
      down.insert(down.end(), update->a.begin(), update->a.end());
      for (int64_t row = 0; row < update->num_outputs; ++row) {
        const int64_t output = interleaved ? 2 * row + static_cast<int64_t>(i) : first_output + row;
        std::copy_n(update->b.data() + row * update->rank, update->rank, up.data() + output * rank + first_rank);
      }
      first_rank += update->rank;
    }
    first_output += parts[i].num_outputs;
  }
  update_ = std::make_unique<const Update>(Update{PackFloats(down, rank, num_inputs, precision, pool),
                                                  PackFloats(up, num_outputs(), rank, precision, pool)});
}

int64_t PackedLinear::num_outputs() const {
  int64_t sum = 0;
  for (const PackedMatrix& matrix : matrices_) sum += matrix.num_outputs();
  return sum;
}

uint64_t PackedLinear::num_parameters() const {
  uint64_t sum = bias_.size();
  for (const PackedMatrix& matrix : matrices_) sum += matrix.num_outputs() * matrix.num_inputs();
  return sum;
}

uint64_t PackedLinear::bytes() const {
  uint64_t sum = bias_.size() * sizeof(float);
  for (const PackedMatrix& matrix : matrices_) sum += matrix.bytes();
  if (update_) sum += update_->down.bytes() + update_->up.bytes();
  return sum;
}

void PackedLinear::Apply(const float* x, int64_t num_rows, float* y, Activation activation, ThreadPool& pool,
                         std::span<const RowRange> plain) const {
  Run(x, num_rows, y, {.activation = activation}, pool, plain);
}

void PackedLinear::AddTo(const float* x, int64_t num_rows, float* y, ThreadPool& pool,
                         std::span<const RowRange> plain) const {
  Run(x, num_rows, y, {.add_to_output = true}, pool, plain);
}

// x Aᵀ Bᵀ, [num_rows, num_outputs()], in the calling thread's buffer. Null when no row gets one.
const float* PackedLinear::RunUpdate(const float* x, int64_t num_rows, ThreadPool& pool,
                                     std::span<const RowRange> plain) const {
  int64_t num_plain = 0;
  for (const RowRange& rows : plain) num_plain += rows.end - rows.begin;
  if (!update_ || num_plain == num_rows) return nullptr;
  thread_local kernels::ThreadBuffer<float> low_buffer, wide_buffer;
  const int64_t rank = update_->down.num_outputs(), width = num_outputs();
  float* low = low_buffer.Get(num_rows * rank);
  float* wide = wide_buffer.Get(num_rows * width);
  MatMul(x, num_rows, update_->down.num_inputs(), update_->down, low, rank, {}, pool);
  MatMul(low, num_rows, rank, update_->up, wide, width, {}, pool);
  // To add -0 changes no bit of any number; +0 would make +0 of -0.
  for (const RowRange& rows : plain) std::fill(wide + rows.begin * width, wide + rows.end * width, -0.0f);
  return wide;
}

void PackedLinear::Run(const float* x, int64_t num_rows, float* y, Epilogue epilogue, ThreadPool& pool,
                       std::span<const RowRange> plain) const {
  const int64_t width = epilogue.activation == Activation::kSiluGate ? num_outputs() / 2 : num_outputs();
  const float* update = RunUpdate(x, num_rows, pool, plain);
  int64_t column = 0;
  for (const PackedMatrix& matrix : matrices_) {
    epilogue.bias = bias_.empty() ? nullptr : bias_.data() + column;
    epilogue.addend = update == nullptr ? nullptr : update + column;
    epilogue.addend_stride = num_outputs();
    MatMul(x, num_rows, matrix.num_inputs(), matrix, y + column, width, epilogue, pool);
    column += matrix.num_outputs();
  }
}

}  // namespace retro
