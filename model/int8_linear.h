// A linear layer in 8 bits: as PackedLinear (model/packed_linear.h), but weights are quantized when it is made and
// activations when it runs (model/kernels/int8_matmul.h). Immutable, safe to share.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kernels/int8_matmul.h"
#include "model/packed_linear.h"

namespace retro {

class Int8Linear {
 public:
  // Throws Error(kCorruption, kInvalidArgument) naming file and tensor, also of one that has an infinity or a NaN.
  Int8Linear(const TensorSource& tensors, std::span<const LinearPart> parts, int64_t num_inputs, ThreadPool& pool);

  // As those of PackedLinear.
  void Apply(const float* x, int64_t num_rows, float* y, Activation activation, ThreadPool& pool) const;
  void AddTo(const float* x, int64_t num_rows, float* y, ThreadPool& pool) const;

 private:
  void Run(const float* x, int64_t num_rows, float* y, Epilogue epilogue, ThreadPool& pool) const;

  Int8Matrix matrix_;
  std::vector<float> bias_;  // of all outputs, or empty
};

}  // namespace retro
