#include "training/torch/adamw.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

namespace retro {

AdamW::AdamW(std::vector<WeightGroup> groups, const AdamWOptions& options)
    : groups_(std::move(groups)), options_(options) {
  for (const WeightGroup& group : groups_) {
    Slots& slots = slots_.emplace_back();
    for (const auto& [name, weight] : group.weights) {
      slots.weights.push_back(weight);
      slots.first.push_back(torch::zeros_like(weight));
      slots.second.push_back(torch::zeros_like(weight));
      slots.steps.push_back(torch::zeros({}, weight.options().requires_grad(false)));
    }
  }
}

void AdamW::ClearGradients() {
  for (Slots& slots : slots_) {
    for (torch::Tensor& weight : slots.weights) weight.mutable_grad().reset();
  }
}

std::vector<torch::Tensor> AdamW::Gradients(const Slots& slots) const {
  std::vector<torch::Tensor> gradients;
  for (torch::Tensor weight : slots.weights) {
    if (!weight.grad().defined()) weight.mutable_grad() = torch::zeros_like(weight);
    gradients.push_back(weight.grad());
  }
  return gradients;
}

double AdamW::GradientNorm() const {
  double sum = 0;
  for (const Slots& slots : slots_) {
    if (slots.weights.empty()) continue;
    const auto norms = torch::stack(at::_foreach_norm(Gradients(slots), 2)).to(torch::kFloat64);
    sum += norms.square().sum().item<double>();
  }
  return std::sqrt(sum);
}

void AdamW::ScaleGradients(double factor) {
  for (const Slots& slots : slots_) {
    if (!slots.weights.empty()) at::_foreach_mul_(Gradients(slots), factor);
  }
}

void AdamW::Step(double rate) {
  torch::NoGradGuard no_grad;
  ++steps_;
  for (size_t i = 0; i < groups_.size(); ++i) {
    Slots& slots = slots_[i];
    if (slots.weights.empty()) continue;
    for (torch::Tensor& count : slots.steps) count.fill_(static_cast<double>(steps_));
    at::_fused_adamw_(slots.weights, Gradients(slots), slots.first, slots.second, /*max_exp_avg_sqs=*/{}, slots.steps,
                      rate * groups_[i].rate_factor, options_.beta1, options_.beta2, groups_[i].weight_decay,
                      options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
}

std::vector<std::pair<std::string, torch::Tensor>> AdamW::State() const {
  std::vector<std::pair<std::string, torch::Tensor>> state;
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (size_t j = 0; j < groups_[i].weights.size(); ++j) {
      const std::string& name = groups_[i].weights[j].first;
      state.emplace_back(name + ".first", slots_[i].first[j]);
      state.emplace_back(name + ".second", slots_[i].second[j]);
    }
  }
  return state;
}

}  // namespace retro
