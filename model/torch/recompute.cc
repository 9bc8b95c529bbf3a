#include "model/torch/recompute.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>

namespace retro {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Generator DefaultGenerator(const torch::Device& device) {
  if (device.is_cuda()) return at::globalContext().defaultGenerator(device);
  return at::detail::getDefaultCPUGenerator();
}

// What a run of the block depends on besides its input.
struct Surroundings {
  torch::Tensor random;
  bool autocast;
  torch::ScalarType autocast_type;

  explicit Surroundings(const torch::Device& device)
      : random(DefaultGenerator(device).get_state()),
        autocast(at::autocast::is_autocast_enabled(device.type())),
        autocast_type(at::autocast::get_autocast_dtype(device.type())) {}

  void Set(const torch::Device& device) const {
    DefaultGenerator(device).set_state(random);
    at::autocast::set_autocast_enabled(device.type(), autocast);
    at::autocast::set_autocast_dtype(device.type(), autocast_type);
  }
};

struct Kept : torch::CustomClassHolder {
  Kept(Block with_block, const torch::Device& device) : block(std::move(with_block)), surroundings(device) {}
  Block block;
  Surroundings surroundings;
};

class RecomputedFunction : public torch::autograd::Function<RecomputedFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x, const Block& block) {
    context->saved_data["kept"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(block, x.device()));
    context->save_for_backward({x});
    return block(x);
  }

  static variable_list backward(AutogradContext* context, variable_list above) {
    const auto kept = c10::static_intrusive_pointer_cast<Kept>(context->saved_data["kept"].toCapsule());
    const auto x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const Surroundings now(x.device());
    kept->surroundings.Set(x.device());
    torch::Tensor again;
    {
      torch::AutoGradMode gradients(true);
      again = kept->block(x);
    }
    now.Set(x.device());
    torch::autograd::backward({again}, {above[0]});
    return {x.grad(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor Recomputed(const Block& block, const torch::Tensor& x) {
  if (!x.requires_grad() || !torch::GradMode::is_enabled()) return block(x);
  return RecomputedFunction::apply(x, block);
}

}  // namespace retro
