// What ranks exchange when each holds a shard of the optimizer (OptimizerShard): changed weights after a step, and the
// moments for a checkpoint, which is the same whatever the number of ranks that wrote it.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/communicator.h"
#include "training/torch/adamw.h"

namespace retro {

// Every rank gets every piece of the weights from its owner.
void ShareWeights(const AdamW& optimizer, Communicator& communicator);

// Both moments of every weight, in its shape and on the processor, as WEIGHT.first and WEIGHT.second: on rank 0.
// Elsewhere the list is empty. All ranks call it.
std::vector<std::pair<std::string, torch::Tensor>> GatherMoments(const AdamW& optimizer, Communicator& communicator);

}  // namespace retro
