#include "training/torch/output_loss.h"

#include <algorithm>

namespace retro {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Each product packs the whole output matrix anew: blocks of 8 MiB, which would stay in the cache, made a step of 13 M
// weights 12 % slower, and 64 MiB were no quicker.
constexpr int64_t kBlockBytes = int64_t{32} << 20;
constexpr int64_t kMinRows = 64;

int64_t RowsOfBlock(int64_t vocab_size) {
  return std::max<int64_t>(kMinRows, kBlockBytes / (vocab_size * static_cast<int64_t>(sizeof(float))));
}

struct Pass {
  torch::Tensor loss;         // scalar
  torch::Tensor hidden_grad;  // undefined where not wanted
  torch::Tensor weight_grad;
};

class BlockwiseLoss {
 public:
  BlockwiseLoss(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                torch::ScalarType compute)
      : hidden_(hidden.to(compute)), weight_(weight.to(compute)), targets_(targets), compute_(compute) {}

  Pass Run(bool want_hidden_grad, bool want_weight_grad) const {
    Pass pass;
    pass.loss = torch::zeros({}, hidden_.options().dtype(torch::kFloat32));
    if (want_hidden_grad) pass.hidden_grad = torch::empty_like(hidden_, torch::kFloat32);
    if (want_weight_grad) pass.weight_grad = torch::zeros_like(weight_, torch::kFloat32);
    const int64_t rows = hidden_.size(0), block = RowsOfBlock(weight_.size(0));
    for (int64_t begin = 0; begin < rows; begin += block) AddBlock(begin, std::min(rows, begin + block), pass);
    return pass;
  }

 private:
  void AddBlock(int64_t begin, int64_t end, Pass& pass) const {
    const auto hidden = hidden_.slice(0, begin, end);
    const auto targets = targets_.slice(0, begin, end);
    const auto present = targets.ge(0).to(torch::kFloat32).unsqueeze(1);  // [R, 1]
    const auto places = targets.clamp_min(0).unsqueeze(1);
    const auto logits = torch::mm(hidden, weight_.t()).to(torch::kFloat32);
    auto probabilities = torch::softmax(logits, 1);
    // The largest probability is 1 / sum of exp(logit - largest), never tiny: its logarithm is as good as
    // log_softmax's, and the pass of exp that would follow that one is spared.
    const auto log_sums = logits.amax(1, true) - probabilities.amax(1, true).log();
    pass.loss -= ((logits.gather(1, places) - log_sums) * present).sum();
    if (!pass.hidden_grad.defined() && !pass.weight_grad.defined()) return;
    probabilities.scatter_add_(1, places, torch::full_like(present, -1));
    const auto logit_grad = probabilities.mul_(present).to(compute_);
    if (pass.hidden_grad.defined()) pass.hidden_grad.slice(0, begin, end).copy_(torch::mm(logit_grad, weight_));
    if (!pass.weight_grad.defined()) return;
    if (compute_ == torch::kFloat32)
      pass.weight_grad.addmm_(logit_grad.t(), hidden);
    else
      pass.weight_grad += torch::mm(logit_grad.t(), hidden);
  }

  torch::Tensor hidden_, weight_, targets_;
  torch::ScalarType compute_;
};

// The gradients are those of the loss itself; backward only multiplies them by what comes from above.
class OutputLossFunction : public torch::autograd::Function<OutputLossFunction> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& hidden, const torch::Tensor& weight,
                               const torch::Tensor& targets, int64_t compute) {
    const BlockwiseLoss loss(hidden, weight, targets, static_cast<torch::ScalarType>(compute));
    Pass pass = loss.Run(hidden.requires_grad(), weight.requires_grad());
    if (pass.hidden_grad.defined()) pass.hidden_grad = pass.hidden_grad.to(hidden.scalar_type());
    context->save_for_backward({pass.hidden_grad, pass.weight_grad});
    return pass.loss;
  }

  static variable_list backward(AutogradContext* context, variable_list above) {
    const variable_list saved = context->get_saved_variables();
    variable_list gradients(4);
    for (size_t i = 0; i < 2; ++i) {
      if (saved[i].defined()) gradients[i] = saved[i] * above[0].to(saved[i].scalar_type());
    }
    return gradients;
  }
};

}  // namespace

torch::Tensor OutputLoss(const torch::Tensor& hidden, const torch::Tensor& weight, const torch::Tensor& targets,
                         torch::ScalarType compute) {
  if (!torch::GradMode::is_enabled()) return BlockwiseLoss(hidden, weight, targets, compute).Run(false, false).loss;
  return OutputLossFunction::apply(hidden, weight, targets, static_cast<int64_t>(compute));
}

}  // namespace retro
