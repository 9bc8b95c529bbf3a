// Matrix products with weights packed once for this processor: y = x Wᵀ (+ bias, activation, residual).
// The instruction set (portable, AVX2, AVX-512) is chosen when the program starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/decoder.h"
#include "model/tensor.h"

namespace retro {

class ThreadPool;

// A weight matrix W [num_outputs, num_inputs], reordered for the kernels. Quantized source blocks keep their own bits
// (every weight's value is that of the file); 16-bit floats become fp32, or int8 with a scale per 32 inputs on request.
// Immutable, safe to share; cheap to move.
class PackedMatrix {
 public:
  PackedMatrix();
  // `tensor` is [num_outputs, num_inputs], or the transpose (GPT-2's Conv1D) when `transposed`: float types only then.
  // Several tensors with the same inputs (q, k, v) are stacked along the outputs. Throws Error(kCorruption,
  // kInvalidArgument) on shapes or types that do not fit, naming the tensor.
  PackedMatrix(std::span<const TensorView* const> tensors, bool transposed, WeightPrecision precision,
               ThreadPool& pool);
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&&) noexcept;
  PackedMatrix& operator=(PackedMatrix&&) noexcept;

  int64_t num_outputs() const;
  int64_t num_inputs() const;
  size_t bytes() const;
  // Row `output` as fp32 (an embedding look-up from tied weights). REQUIRES: out.size() == num_inputs()
  void CopyRow(int64_t output, std::span<float> out) const;

  struct State;
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

enum class Activation { kNone, kGelu, kGeluTanh, kSiluGate };

// What happens to each output before it is stored.
struct Epilogue {
  const float* bias = nullptr;  // [num_outputs]
  // kSiluGate: W stacks gate and up rows interleaved (output 2i is gate i, 2i + 1 is up i); y is [rows, num_outputs /
  // 2] and holds silu(gate) * up.
  Activation activation = Activation::kNone;
  bool add_to_output = false;  // y += instead of y = (residual connections); not with an activation
  // Added to the products before the activation: [num_rows, num_outputs], rows addend_stride apart. Null: nothing.
  const float* addend = nullptr;
  int64_t addend_stride = 0;
};

// x: [num_rows, num_inputs] with `x_stride` floats from row to row; y likewise. Few rows stream the weights once at the
// memory's speed. With quantized weights the rows of x become 16-bit integers with a scale for each 32 inputs (an error
// of 2^-16 of the largest of these); with others it is an fp32 GEMM. A row of y depends on its row of x alone, to the
// last bit: not on num_rows, nor on the pool. Keeps buffers of a bounded size a thread.
// REQUIRES: x and y do not overlap.
void MatMul(const float* x, int64_t num_rows, int64_t x_stride, const PackedMatrix& weights, float* y, int64_t y_stride,
            const Epilogue& epilogue, ThreadPool& pool);

// The instruction set in use: "portable", "avx2", "avx512". The environment variable RETRO_CPU lowers it (for tests).
const char* KernelName();

}  // namespace retro
