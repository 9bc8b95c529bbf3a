// AdamW with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2) over groups of weights, and the
// gradient's norm. LibTorch's fused kernel does a step; what torch::optim would add is state that is awkward to save.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "model/torch/precompiled.h"

namespace retro {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;
};

// Weights that share a rate and a decay. Names are those of the checkpoint, unique over all groups.
struct WeightGroup {
  std::vector<std::pair<std::string, torch::Tensor>> weights;
  double rate_factor = 1;
  double weight_decay = 0;
};

// One thread at a time. The weights are changed in place.
class AdamW {
 public:
  AdamW(std::vector<WeightGroup> groups, const AdamWOptions& options);

  void ClearGradients();
  // The 2-norm of all gradients as one vector. A weight that got none has zeros.
  double GradientNorm() const;
  void ScaleGradients(double factor);
  void Step(double rate);

  int64_t steps() const { return steps_; }
  // The two moments of every weight, named WEIGHT.first and WEIGHT.second; views, not copies.
  std::vector<std::pair<std::string, torch::Tensor>> State() const;
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  struct Slots {
    std::vector<torch::Tensor> weights, first, second, steps;
  };

  std::vector<torch::Tensor> Gradients(const Slots& slots) const;

  std::vector<WeightGroup> groups_;
  std::vector<Slots> slots_;  // one for each group
  AdamWOptions options_;
  int64_t steps_ = 0;
};

}  // namespace retro
