// In which numbers the matrix products of training run.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include "model/torch/precompiled.h"
#include "training/train_config.h"

namespace retro {

// fp32 or bf16. kAuto: bf16 where the processor has instructions for it, or on a GPU. Throws Error(kUnavailable) when
// bf16 was asked for and there are none: emulated it would be slower than fp32.
torch::ScalarType ComputeType(Precision precision, const torch::Device& device);

// While it lives, operations on this thread run in `compute` where autocast finds that safe; fp32: nothing changes.
class AutocastGuard {
 public:
  AutocastGuard(torch::ScalarType compute, const torch::Device& device);
  ~AutocastGuard();
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  bool on_;
  torch::DeviceType device_;
};

// Operations a second of a large product in `compute`, the best of a few.
double MeasurePeakFlops(torch::ScalarType compute, const torch::Device& device);

}  // namespace retro
