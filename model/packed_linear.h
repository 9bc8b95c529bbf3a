// A linear layer of an engine: one or several weights of a file stacked along their outputs and packed for the kernels,
// with their biases. Immutable, safe to share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/kernels/matmul.h"
#include "model/tensor.h"

namespace retro {

// Where a part of a layer comes from. `bias` is empty when there is none.
struct LinearPart {
  std::string weight, bias;
  int64_t num_outputs = 0;
};

// How the weights of a model are read.
struct LinearFormat {
  bool transposed = false;  // weights are [in, out]
  WeightPrecision precision = WeightPrecision::kAsStored;
};

class PackedLinear {
 public:
  PackedLinear() = default;
  // Throws Error(kCorruption, kInvalidArgument) naming file and tensor.
  PackedLinear(const TensorSource& tensors, std::span<const LinearPart> parts, int64_t num_inputs, LinearFormat format,
               ThreadPool& pool);

  // Gate and up, row by row in turn, as Activation::kSiluGate wants them.
  static PackedLinear GateAndUp(const TensorSource& tensors, const LinearPart& gate, const LinearPart& up,
                                int64_t num_inputs, LinearFormat format, ThreadPool& pool);

  int64_t num_outputs() const;
  uint64_t num_parameters() const;
  uint64_t bytes() const;

  // y = x Wᵀ + bias, through `activation`; or y += x Wᵀ + bias. Rows lie one after the other: x is
  // [num_rows, num_inputs], y [num_rows, num_outputs()], half as wide after kSiluGate.
  void Apply(const float* x, int64_t num_rows, float* y, Activation activation, ThreadPool& pool) const;
  void AddTo(const float* x, int64_t num_rows, float* y, ThreadPool& pool) const;

 private:
  void Run(const float* x, int64_t num_rows, float* y, Epilogue epilogue, ThreadPool& pool) const;

  std::vector<PackedMatrix> matrices_;  // several only where the file has parts in different formats
  std::vector<float> bias_;             // of all outputs, or empty
};

}  // namespace retro
