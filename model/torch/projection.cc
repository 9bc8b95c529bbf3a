#include "model/torch/projection.h"

namespace retro {

namespace F = torch::nn::functional;

void ProjectionImpl::SetLora(const LoraMatrices& lora, bool shares_a) {
  lora_ = lora;
  if (!shares_a) lora_.a = register_parameter("lora_a", lora.a);
  lora_.b = register_parameter("lora_b", lora.b);
}

torch::Tensor ProjectionImpl::forward(const torch::Tensor& x) {
  const auto y = LinearImpl::forward(x);
  if (!lora_.b.defined()) return y;
  const auto dropped = lora_.dropout > 0 ? torch::dropout(x, lora_.dropout, is_training()) : x;
  return torch::add(y, F::linear(F::linear(dropped, lora_.a), lora_.b), lora_.scale);
}

}  // namespace retro
