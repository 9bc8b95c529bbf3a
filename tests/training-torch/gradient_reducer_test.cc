#include "training/torch/gradient_reducer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/thread_ranks.h"

namespace retro {
namespace {

// One rank that notes when it is asked for a sum and how large that is.
class Recorder final : public Communicator {
 public:
  int rank() const override { return 0; }
  int num_ranks() const override { return 1; }
  std::unique_ptr<Pending> StartSum(std::span<float> values) override {
    events.push_back("sum " + std::to_string(values.size()));
    return SingleProcess().StartSum(values);
  }
  void Sum(std::span<double>) override {}
  void Sum(std::span<int64_t>) override {}
  void Broadcast(std::span<std::byte>, int) override {}

  std::vector<std::string> events;
};

std::vector<torch::Tensor> Weights(const std::vector<int64_t>& sizes) {
  std::vector<torch::Tensor> weights;
  for (const int64_t size : sizes) weights.push_back(torch::ones({size}).set_requires_grad(true));
  return weights;
}

// A chain through all weights: the gradient of the last one is ready first.
torch::Tensor Chain(const std::vector<torch::Tensor>& weights, const torch::Tensor& x) {
  auto y = x;
  for (const torch::Tensor& weight : weights) y = (weight * y).sum();
  return y;
}

constexpr int64_t kBytes = sizeof(float);

TEST(GradientReducer, FillsBucketsFromTheLastWeightOn) {
  Recorder recorder;
  const auto weights = Weights({2, 3, 4, 1});
  GradientReducer reducer(weights, recorder, 5 * kBytes);
  EXPECT_EQ(reducer.num_buckets(), 2u);
  reducer.Start();
  Chain(weights, torch::ones({})).backward();
  reducer.Finish();
  EXPECT_THAT(recorder.events, testing::ElementsAre("sum 5", "sum 5"));
}

TEST(GradientReducer, AWeightLargerThanABucketHasOneOfItsOwn) {
  Recorder recorder;
  const auto weights = Weights({1, 100, 1});
  GradientReducer reducer(weights, recorder, 4 * kBytes);
  EXPECT_EQ(reducer.num_buckets(), 3u);
}

TEST(GradientReducer, SendsAFullBucketWhileTheBackwardPassRuns) {
  Recorder recorder;
  const auto weights = Weights({2, 3});
  GradientReducer reducer(weights, recorder, kBytes);
  auto x = torch::ones({}).set_requires_grad(true);
  const auto passed = x * 1;
  passed.register_hook([&](const torch::Tensor&) { recorder.events.emplace_back("backward reached the input"); });
  reducer.Start();
  Chain(weights, passed).backward();
  recorder.events.emplace_back("backward ended");
  reducer.Finish();
  EXPECT_EQ(recorder.events.front(), "sum 3");
  EXPECT_EQ(recorder.events.back(), "backward ended");
}

TEST(GradientReducer, LeavesThePassesBeforeTheLastAlone) {
  Recorder recorder;
  const auto weights = Weights({2});
  GradientReducer reducer(weights, recorder);
  Chain(weights, torch::ones({})).backward();
  EXPECT_THAT(recorder.events, testing::IsEmpty());
  reducer.Start();
  Chain(weights, torch::ones({})).backward();
  EXPECT_THAT(recorder.events, testing::ElementsAre("sum 2"));
  reducer.Finish();
  EXPECT_EQ(weights[0].grad()[0].item<float>(), 2);
}

TEST(GradientReducer, EveryRankHasTheSumOfAll) {
  ThreadRanks(3).Run([](Communicator& ranks) {
    const auto weights = Weights({2, 3, 1});
    GradientReducer reducer(weights, ranks, 3 * kBytes);
    for (int step = 1; step <= 3; ++step) {
      for (torch::Tensor weight : weights) weight.mutable_grad().reset();
      reducer.Start();
      auto loss = torch::zeros({});
      for (const torch::Tensor& weight : weights) loss = loss + weight.sum() * (step * (ranks.rank() + 1));
      loss.backward();
      reducer.Finish();
      for (const torch::Tensor& weight : weights) {
        EXPECT_TRUE(torch::equal(weight.grad(), torch::full_like(weight, step * 6)));
      }
    }
  });
}

// A batch without neighbours gives the cross-attention no gradient.
TEST(GradientReducer, AWeightThatOnlyOneRankUsedGetsItsGradientOnAll) {
  ThreadRanks(2).Run([](Communicator& ranks) {
    const auto weights = Weights({2, 3, 1});
    GradientReducer reducer(weights, ranks, kBytes);
    reducer.Start();
    if (ranks.rank() == 1) (weights[1].sum() * 5).backward();
    reducer.Finish();
    EXPECT_TRUE(torch::equal(weights[0].grad(), torch::zeros({2})));
    EXPECT_TRUE(torch::equal(weights[1].grad(), torch::full({3}, 5.0)));
  });
}

}  // namespace
}  // namespace retro
