#include "model/int8_linear.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace retro {
namespace {

std::vector<float> StackedWeights(const TensorSource& tensors, std::span<const LinearPart> parts, int64_t num_inputs) {
  std::vector<float> stacked;
  for (const LinearPart& part : parts) {
    const int64_t shape[] = {part.num_outputs, num_inputs};
    const std::vector<float> weights = Dequantize(tensors.Get(part.weight, shape));
    if (!std::ranges::all_of(weights, [](float weight) { return std::isfinite(weight); })) {
      Throw(ErrorCode::kCorruption, "tensor {} has weights that are no numbers: it cannot be had in 8 bits",
            part.weight);
    }
    stacked.insert(stacked.end(), weights.begin(), weights.end());
  }
  return stacked;
}

}  // namespace

Int8Linear::Int8Linear(const TensorSource& tensors, std::span<const LinearPart> parts, int64_t num_inputs,
                       ThreadPool& pool)
    : bias_(StackedBias(tensors, parts)) {
  const std::vector<float> weights = StackedWeights(tensors, parts, num_inputs);
  matrix_ = Int8Matrix(weights, std::ssize(weights) / num_inputs, num_inputs, pool);
}

void Int8Linear::Apply(const float* x, int64_t num_rows, float* y, Activation activation, ThreadPool& pool) const {
  Run(x, num_rows, y, {.activation = activation}, pool);
}

void Int8Linear::AddTo(const float* x, int64_t num_rows, float* y, ThreadPool& pool) const {
  Run(x, num_rows, y, {.add_to_output = true}, pool);
}

void Int8Linear::Run(const float* x, int64_t num_rows, float* y, Epilogue epilogue, ThreadPool& pool) const {
  epilogue.bias = bias_.empty() ? nullptr : bias_.data();
  MatMul(x, num_rows, matrix_.num_inputs(), matrix_, y, matrix_.num_outputs(), epilogue, pool);
}

}  // namespace retro
