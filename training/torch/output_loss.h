// The output matrix and the cross-entropy in one, a block of rows at a time, so that the logits of all tokens never
// exist at once: at a vocabulary of 50,000 they would be the largest thing in memory.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include "model/torch/precompiled.h"

namespace retro {

// Sum over the rows with a target of -log softmax(hidden W^T)[target]: a scalar in nats, fp32.
// hidden: [N, C]; weight (W): [V, C]; targets: [N] int64, -1 where the row has none. The gradients of both matrices are
// computed in the same pass (exact, not an estimate) when they are asked for. Products run in `compute` (fp32 or bf16),
// softmax and sums in fp32.
torch::Tensor OutputLoss(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                         torch::ScalarType compute = torch::kFloat32);

}  // namespace retro
