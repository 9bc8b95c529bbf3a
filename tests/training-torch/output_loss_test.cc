#include "training/torch/output_loss.h"

#include <gtest/gtest.h>

namespace retro {
namespace {

namespace F = torch::nn::functional;

struct Case {
  torch::Tensor hidden, weight, targets;

  // A vocabulary so large that a block has fewer rows than there are.
  explicit Case(int64_t rows = 150, int64_t vocab_size = 33'000) {
    torch::manual_seed(3);
    hidden = torch::randn({rows, 12}).set_requires_grad(true);
    weight = torch::randn({vocab_size, 12}).set_requires_grad(true);
    targets = torch::randint(vocab_size, {rows}, torch::kInt64);
    targets[1] = -1;
    targets[rows - 1] = -1;
  }
  torch::Tensor Expected() const {
    return F::cross_entropy(torch::mm(hidden, weight.t()), targets,
                            F::CrossEntropyFuncOptions().ignore_index(-1).reduction(torch::kSum));
  }
  torch::Tensor TakeGradient(const torch::Tensor& of) const {
    const auto gradient = of.grad().clone();
    of.mutable_grad().reset();
    return gradient;
  }
};

void ExpectClose(const torch::Tensor& actual, const torch::Tensor& expected, double tolerance) {
  EXPECT_LE((actual - expected).abs().max().item<double>(), tolerance * expected.abs().max().item<double>());
}

TEST(OutputLoss, HasValueAndGradientsOfLibTorchsCrossEntropy) {
  const Case given;
  const auto expected = given.Expected(), actual = OutputLoss(given.hidden, given.weight, given.targets);
  ExpectClose(actual, expected, 1e-6);
  (expected * 0.25).backward();
  const auto hidden = given.TakeGradient(given.hidden), weight = given.TakeGradient(given.weight);
  (actual * 0.25).backward();
  ExpectClose(given.hidden.grad(), hidden, 1e-5);
  ExpectClose(given.weight.grad(), weight, 1e-5);
}

TEST(OutputLoss, AFrozenMatrixGetsNoGradient) {
  const Case given;
  given.weight.requires_grad_(false);
  OutputLoss(given.hidden, given.weight, given.targets).backward();
  EXPECT_TRUE(given.hidden.grad().defined());
  EXPECT_FALSE(given.weight.grad().defined());
}

TEST(OutputLoss, RowsWithoutATargetAddNothing) {
  Case given(20, 50);
  given.targets.fill_(-1);
  given.targets[7] = 3;
  const auto loss = OutputLoss(given.hidden, given.weight, given.targets);
  loss.backward();
  ExpectClose(loss, given.Expected(), 1e-6);
  EXPECT_EQ(given.hidden.grad()[6].abs().max().item<float>(), 0);
  EXPECT_GT(given.hidden.grad()[7].abs().max().item<float>(), 0);
}

TEST(OutputLoss, IsTheSameWithoutGradients) {
  const Case given;
  torch::NoGradGuard no_grad;
  const auto loss = OutputLoss(given.hidden, given.weight, given.targets);
  EXPECT_FALSE(loss.requires_grad());
  ExpectClose(loss, given.Expected(), 1e-6);
}

TEST(OutputLoss, InBf16IsNearThatInFp32) {
  const Case given(40, 300);
  const auto expected = given.Expected();
  expected.backward();
  const auto gradient = given.TakeGradient(given.weight);
  const auto actual = OutputLoss(given.hidden, given.weight, given.targets, torch::kBFloat16);
  EXPECT_EQ(actual.scalar_type(), torch::kFloat32);
  actual.backward();
  ExpectClose(actual, expected, 0.01);
  ExpectClose(given.weight.grad(), gradient, 0.03);
}

}  // namespace
}  // namespace retro
