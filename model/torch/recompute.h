// Activation checkpointing: what a block computed between its input and its output is not kept for the backward pass
// but computed again there. Memory for one forward pass of time.
// Shows LibTorch: for model/torch/ and training/torch/ only.
#pragma once

#include <functional>

#include "model/torch/precompiled.h"

namespace retro {

using Block = std::function<torch::Tensor(const torch::Tensor&)>;

// block(x), with the same gradients for x and for the weights inside, and with the same random numbers (dropout) in
// both runs. Where x has no gradient the block simply runs.
torch::Tensor Recomputed(const Block& block, const torch::Tensor& x);

}  // namespace retro
