#include "training/torch/adamw.h"

#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>

#include <algorithm>

namespace retro {
namespace {

const torch::Tensor& Gradient(torch::Tensor weight) {
  if (!weight.grad().defined()) weight.mutable_grad() = torch::zeros_like(weight);
  return weight.grad();
}

}  // namespace

AdamW::AdamW(std::vector<WeightGroup> groups, const AdamWOptions& options, const OptimizerShard& shard)
    : groups_(std::move(groups)), own_(groups_.size()), options_(options) {
  CutIntoPieces(shard);
}

void AdamW::CutIntoPieces(const OptimizerShard& shard) {
  int64_t total = 0, at = 0;  // elements of all weights; those before this one
  for (const WeightGroup& group : groups_) {
    for (const auto& [name, weight] : group.weights) total += weight.numel();
  }
  const int64_t range = std::max<int64_t>(1, (total + shard.count - 1) / shard.count);
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (const auto& [name, weight] : groups_[i].weights) {
      for (int64_t begin = 0; begin < weight.numel(); begin += pieces_.back().size) {
        Piece& piece = pieces_.emplace_back();
        piece.name = name;
        piece.weight = weight;
        piece.begin = begin;
        piece.owner = static_cast<int>((at + begin) / range);
        piece.size = std::min(weight.numel() - begin, (piece.owner + 1) * range - (at + begin));
        if (piece.owner != shard.index) continue;
        piece.first = torch::zeros({piece.size}, weight.options().requires_grad(false));
        piece.second = torch::zeros_like(piece.first);
        own_[i].push_back(pieces_.size() - 1);
      }
      at += weight.numel();
    }
  }
}

void AdamW::ClearGradients() {
  for (WeightGroup& group : groups_) {
    for (auto& [name, weight] : group.weights) weight.mutable_grad().reset();
  }
}

std::vector<torch::Tensor> AdamW::Gradients(const WeightGroup& group) const {
  std::vector<torch::Tensor> gradients;
  for (const auto& [name, weight] : group.weights) gradients.push_back(Gradient(weight));
  return gradients;
}

double AdamW::GradientNorm() const {
  double sum = 0;
  for (const WeightGroup& group : groups_) {
    if (group.weights.empty()) continue;
    const auto norms = torch::stack(at::_foreach_norm(Gradients(group), 2)).to(torch::kFloat64);
    sum += norms.square().sum().item<double>();
  }
  return std::sqrt(sum);
}

void AdamW::ScaleGradients(double factor) {
  for (const WeightGroup& group : groups_) {
    if (!group.weights.empty()) at::_foreach_mul_(Gradients(group), factor);
  }
}

void AdamW::Step(double rate) {
  torch::NoGradGuard no_grad;
  ++steps_;
  for (size_t i = 0; i < groups_.size(); ++i) {
    std::vector<torch::Tensor> weights, gradients, first, second, steps;
    for (const size_t index : own_[i]) {
      const Piece& piece = pieces_[index];
      weights.push_back(piece.Of(piece.weight));
      gradients.push_back(piece.Of(Gradient(piece.weight)));
      first.push_back(piece.first);
      second.push_back(piece.second);
      steps.push_back(torch::full({}, static_cast<double>(steps_), piece.first.options()));
    }
    if (weights.empty()) continue;
    at::_fused_adamw_(weights, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, rate * groups_[i].rate_factor,
                      options_.beta1, options_.beta2, groups_[i].weight_decay, options_.epsilon, /*amsgrad=*/false,
                      /*maximize=*/false);
  }
}

}  // namespace retro
