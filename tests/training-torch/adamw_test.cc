#include "training/torch/adamw.h"

#include <gtest/gtest.h>

#include <cmath>

namespace retro {
namespace {

// Algorithm 2 of Loshchilov and Hutter, one number at a time in double precision.
struct Reference {
  double weight, first = 0, second = 0;
  void Step(double gradient, double rate, double decay, const AdamWOptions& options, int step) {
    weight -= rate * decay * weight;
    first = options.beta1 * first + (1 - options.beta1) * gradient;
    second = options.beta2 * second + (1 - options.beta2) * gradient * gradient;
    const double mean = first / (1 - std::pow(options.beta1, step));
    const double square = second / (1 - std::pow(options.beta2, step));
    weight -= rate * mean / (std::sqrt(square) + options.epsilon);
  }
};

TEST(AdamW, TakesTheStepsOfThePaper) {
  torch::manual_seed(1);
  const AdamWOptions options{.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-6};
  const auto decayed = torch::randn({37}).set_requires_grad(true), plain = torch::randn({5, 3}).set_requires_grad(true);
  AdamW optimizer({{{{"decayed", decayed}}, 1, 0.1}, {{{"plain", plain}}, 3, 0}}, options);
  std::vector<Reference> references;
  for (const auto& weight : {decayed, plain}) {
    for (int64_t i = 0; i < weight.numel(); ++i) references.push_back({weight.flatten()[i].item<double>()});
  }
  for (int step = 1; step <= 20; ++step) {
    const double rate = 0.01 * step;
    optimizer.ClearGradients();
    size_t at = 0;
    for (auto weight : {decayed, plain}) {
      const bool is_decayed = at == 0;
      weight.mutable_grad() = torch::randn_like(weight);
      for (int64_t i = 0; i < weight.numel(); ++i) {
        references[at++].Step(weight.grad().flatten()[i].item<double>(), rate * (is_decayed ? 1 : 3),
                              is_decayed ? 0.1 : 0, options, step);
      }
    }
    optimizer.Step(rate);
  }
  size_t at = 0;
  for (const auto& weight : {decayed, plain}) {
    for (int64_t i = 0; i < weight.numel(); ++i) {
      const double expected = references[at++].weight;
      EXPECT_NEAR(weight.flatten()[i].item<double>(), expected, 2e-5 * (1 + std::abs(expected)));
    }
  }
  EXPECT_EQ(optimizer.steps(), 20);
}

TEST(AdamW, TheNormIsThatOfAllGradientsAsOneVector) {
  auto a = torch::zeros({2}).set_requires_grad(true), b = torch::zeros({1, 1}).set_requires_grad(true),
       without = torch::zeros({9}).set_requires_grad(true);
  AdamW optimizer({{{{"a", a}, {"without", without}}}, {{{"b", b}}}}, {});
  a.mutable_grad() = torch::tensor({2.0f, 3.0f});
  b.mutable_grad() = torch::tensor({{6.0f}});
  EXPECT_NEAR(optimizer.GradientNorm(), 7, 1e-6);
  optimizer.ScaleGradients(0.5);
  EXPECT_NEAR(optimizer.GradientNorm(), 3.5, 1e-6);
  a.mutable_grad()[0] = std::nan("");
  EXPECT_TRUE(std::isnan(optimizer.GradientNorm()));
}

TEST(AdamW, ItsStateCarriesOver) {
  torch::manual_seed(1);
  const auto start = torch::randn({10});
  const auto run = [&](AdamW& optimizer, torch::Tensor& weight, int from, int to) {
    for (int step = from; step < to; ++step) {
      weight.mutable_grad() = torch::sin(weight.detach() * static_cast<float>(step + 1));
      optimizer.Step(0.05);
    }
  };
  auto whole = start.clone().set_requires_grad(true), half = start.clone().set_requires_grad(true);
  AdamW unbroken({{{{"w", whole}}, 1, 0.1}}, {}), first({{{{"w", half}}, 1, 0.1}}, {});
  run(unbroken, whole, 0, 10);
  run(first, half, 0, 4);
  AdamW second({{{{"w", half}}, 1, 0.1}}, {});
  ASSERT_EQ(first.pieces().size(), 1u);
  second.pieces()[0].first.copy_(first.pieces()[0].first);
  second.pieces()[0].second.copy_(first.pieces()[0].second);
  second.set_steps(first.steps());
  run(second, half, 4, 10);
  EXPECT_TRUE(torch::equal(whole, half));
}

}  // namespace
}  // namespace retro
