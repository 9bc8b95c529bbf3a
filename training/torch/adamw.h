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

// Which part of the optimizer this process holds (ZeRO stage 1; Rajbhandari et al. 2020, section 5.1): all weights in
// one row are cut into `count` equal ranges, and each has the moments of its range and makes its steps.
struct OptimizerShard {
  int index = 0, count = 1;
};

// One thread at a time. The weights are changed in place.
class AdamW {
 public:
  AdamW(std::vector<WeightGroup> groups, const AdamWOptions& options, const OptimizerShard& shard = {});

  void ClearGradients();
  // The 2-norm of all gradients as one vector. A weight that got none has zeros.
  double GradientNorm() const;
  void ScaleGradients(double factor);
  // Changes the weights of this shard.
  void Step(double rate);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  // What one shard has of one weight: elements [begin, begin + size), flat.
  struct Piece {
    std::string name;  // of the weight
    torch::Tensor weight;
    int64_t begin = 0, size = 0;
    int owner = 0;                // index of the shard
    torch::Tensor first, second;  // [size], the moments; undefined on other shards

    torch::Tensor Of(const torch::Tensor& whole) const { return whole.view(-1).slice(0, begin, begin + size); }
  };
  // Of all weights and shards, in one order everywhere; those of a weight follow one another. Views, not copies.
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  void CutIntoPieces(const OptimizerShard& shard);
  std::vector<torch::Tensor> Gradients(const WeightGroup& group) const;

  std::vector<WeightGroup> groups_;
  std::vector<Piece> pieces_;
  std::vector<std::vector<size_t>> own_;  // for each group the pieces of this shard
  AdamWOptions options_;
  int64_t steps_ = 0;
};

}  // namespace retro
