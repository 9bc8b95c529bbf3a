// A linear layer of an engine: one or several weights of a file stacked along their outputs and packed for the kernels,
// with their biases, and with the low-rank update that an adapter makes to them. Immutable, safe to share.
//
// An update runs beside its matrix, y = x Wᵀ + (x Aᵀ) Bᵀ, and is not added to the weights: these stay in their file's 4
// bits, where merged ones would have to be held in 8 (or be rounded to 4 once more). For SmolLM2 in Q4_1 with rank 16
// on all seven projections that is the difference between 1.1 and 1.5 times the memory that a token reads, and the
// base's own numbers stay exact. It can also be left out for some rows, so that the base and the adapted model run in
// one pass that reads the weights once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/kernels/matmul.h"
#include "model/lora_adapter.h"
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

// Rows [begin, end) of a product.
struct RowRange {
  int64_t begin, end;
};

// The biases of all parts, one after the other: zeros where a part has none but another has; empty when none has.
std::vector<float> StackedBias(const TensorSource& tensors, std::span<const LinearPart> parts);

class PackedLinear {
 public:
  PackedLinear() = default;
  // Throws Error(kCorruption, kInvalidArgument) naming file and tensor.
  PackedLinear(const TensorSource& tensors, std::span<const LinearPart> parts, int64_t num_inputs, LinearFormat format,
               ThreadPool& pool);

  // Gate and up, row by row in turn, as Activation::kSiluGate wants them.
  static PackedLinear GateAndUp(const TensorSource& tensors, const LinearPart& gate, const LinearPart& up,
                                int64_t num_inputs, LinearFormat format, ThreadPool& pool);

  // The parts' updates, in the constructor's order (gate, then up); null where a part has none. They are held in
  // `precision`: fp32, or 8 bits.
  void SetUpdates(std::span<const LowRankUpdate* const> updates, std::span<const LinearPart> parts, bool interleaved,
                  WeightPrecision precision, ThreadPool& pool);

  int64_t num_outputs() const;
  uint64_t num_parameters() const;
  uint64_t bytes() const;

  // y = x Wᵀ + bias, through `activation`; or y += x Wᵀ + bias. Rows lie one after the other: x is
  // [num_rows, num_inputs], y [num_rows, num_outputs()], half as wide after kSiluGate. `plain`: rows that get no
  // update, without overlap; what they get is to the last bit that of a layer without one.
  void Apply(const float* x, int64_t num_rows, float* y, Activation activation, ThreadPool& pool,
             std::span<const RowRange> plain = {}) const;
  void AddTo(const float* x, int64_t num_rows, float* y, ThreadPool& pool, std::span<const RowRange> plain = {}) const;

 private:
  const float* RunUpdate(const float* x, int64_t num_rows, ThreadPool& pool, std::span<const RowRange> plain) const;
  void Run(const float* x, int64_t num_rows, float* y, Epilogue epilogue, ThreadPool& pool,
           std::span<const RowRange> plain) const;

  std::vector<PackedMatrix> matrices_;  // several only where the file has parts in different formats
  std::vector<float> bias_;             // of all outputs, or empty
  // The updates of all parts as one: A's stacked, B's along a diagonal. Null without.
  struct Update {
    PackedMatrix down, up;  // [sum of ranks, num_inputs], [num_outputs, sum of ranks]
  };
  std::unique_ptr<const Update> update_;
};

}  // namespace retro
