#include "training/torch/optimizer_shards.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/testing/thread_ranks.h"

namespace retro {
namespace {

struct Model {
  std::vector<torch::Tensor> weights;

  Model() {
    for (const int64_t size : {5, 1, 12, 7}) {
      weights.push_back(torch::linspace(-1, 1, size).set_requires_grad(true));
    }
  }
  std::vector<WeightGroup> Groups() const {
    return {{{{"a", weights[0]}, {"b", weights[1]}}, 1, 0.1}, {{{"c", weights[2]}, {"d", weights[3]}}, 2, 0}};
  }
  void SetGradients(int step) {
    for (torch::Tensor& weight : weights) weight.mutable_grad() = torch::sin(weight.detach() * (step + 2.0));
  }
};

TEST(OptimizerShards, TheyStepAsOneOptimizerDoes) {
  Model whole;
  AdamW optimizer(whole.Groups(), {});
  for (int step = 0; step < 5; ++step) {
    whole.SetGradients(step);
    optimizer.Step(0.1);
  }
  SingleProcess alone;
  const auto expected = GatherMoments(optimizer, alone);
  for (const int num_ranks : {2, 3, 40}) {  // 40: more ranks than elements
    ThreadRanks(num_ranks).Run([&](Communicator& ranks) {
      Model model;
      AdamW shard(model.Groups(), {}, {ranks.rank(), ranks.num_ranks()});
      for (int step = 0; step < 5; ++step) {
        model.SetGradients(step);
        shard.Step(0.1);
        ShareWeights(shard, ranks);
      }
      for (size_t i = 0; i < model.weights.size(); ++i) {
        EXPECT_TRUE(torch::allclose(model.weights[i], whole.weights[i], 1e-6, 1e-7)) << i;
      }
      const auto moments = GatherMoments(shard, ranks);
      ASSERT_EQ(moments.size(), ranks.rank() == 0 ? expected.size() : 0);
      for (size_t i = 0; i < moments.size(); ++i) {
        EXPECT_EQ(moments[i].first, expected[i].first);
        EXPECT_TRUE(torch::allclose(moments[i].second, expected[i].second, 1e-6, 1e-8)) << moments[i].first;
      }
    });
  }
}

TEST(OptimizerShards, EachHasItsShareOfTheMomentsAndTogetherAll) {
  const Model model;
  int64_t together = 0;
  for (int index = 0; index < 4; ++index) {
    const AdamW shard(model.Groups(), {}, {index, 4});
    int64_t own = 0;
    for (const AdamW::Piece& piece : shard.pieces()) {
      EXPECT_EQ(piece.first.defined(), piece.owner == index);
      if (piece.first.defined()) own += piece.first.numel();
    }
    EXPECT_LE(own, 7);  // of 25
    together += own;
  }
  EXPECT_EQ(together, 25);
}

}  // namespace
}  // namespace retro
