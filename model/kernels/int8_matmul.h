// Matrix products of many rows in 8 bits: y = x Wᵀ (+ bias, activation, residual) with both x and W as integers, for
// models that were quantized after training and stay close to their fp32 selves (model/bert_encoder.h).
//
// Inputs are taken in groups of 128. Weights have a symmetric scale for each output and group: value = scale * q, |q|
// <= 127, the largest of the group being 127. Rows of x are quantized on the way, with a minimum and a scale for each
// row and group ("dynamic quantization"): value = minimum + scale * q, 0 <= q <= 255. Products within a group are added
// up exactly, the same integers on every instruction set, and groups in fp32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "model/kernels/matmul.h"

namespace retro {

// A weight matrix W [num_outputs, num_inputs] in 8 bits. Immutable, safe to share; cheap to move.
class Int8Matrix {
 public:
  Int8Matrix();
  // REQUIRES: weights.size() == num_outputs * num_inputs, all finite
  Int8Matrix(std::span<const float> weights, int64_t num_outputs, int64_t num_inputs, ThreadPool& pool);
  ~Int8Matrix();
  Int8Matrix(Int8Matrix&&) noexcept;
  Int8Matrix& operator=(Int8Matrix&&) noexcept;

  int64_t num_outputs() const;
  int64_t num_inputs() const;
  size_t bytes() const;

  struct State;
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// As the MatMul of matmul.h. A row of y depends on its row of x alone, to the last bit: not on num_rows, nor on the
// pool. Keeps buffers of a bounded size a thread. REQUIRES: x and y do not overlap.
void MatMul(const float* x, int64_t num_rows, int64_t x_stride, const Int8Matrix& weights, float* y, int64_t y_stride,
            const Epilogue& epilogue, ThreadPool& pool);

namespace kernels {

struct KernelTable;

// With the kernels of one instruction set, for tests.
void MatMul(const KernelTable& kernels, const float* x, int64_t num_rows, int64_t x_stride, const Int8Matrix& weights,
            float* y, int64_t y_stride, const Epilogue& epilogue, ThreadPool& pool);

}  // namespace kernels
}  // namespace retro
