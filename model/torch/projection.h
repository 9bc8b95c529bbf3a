// A linear layer of a decoder to which a low-rank update can be given (model/lora_adapter.h).
// Shows LibTorch: for model/torch/ and training/torch/ only.
#pragma once

#include "model/torch/precompiled.h"

namespace retro {

struct LoraMatrices {
  torch::Tensor a, b;  // [rank, in], [out, rank]
  double scale = 1, dropout = 0;
};

class ProjectionImpl : public torch::nn::LinearImpl {
 public:
  using torch::nn::LinearImpl::LinearImpl;

  // The update becomes part of the module: lora_a, unless `shares_a` (GPT-2's q, k and v have one A, which is
  // registered with one of them), and lora_b.
  void SetLora(const LoraMatrices& lora, bool shares_a);

  torch::Tensor forward(const torch::Tensor& x);

 private:
  LoraMatrices lora_;  // undefined without
};
TORCH_MODULE(Projection);

}  // namespace retro
