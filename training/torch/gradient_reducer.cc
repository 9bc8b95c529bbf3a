#include "training/torch/gradient_reducer.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace retro {

struct GradientReducer::Bucket {
  std::vector<torch::Tensor> weights;
  size_t num_missing = 0;  // weights whose gradient is not ready
  torch::Tensor sums;      // fp32, on the processor: what is sent
  std::unique_ptr<Communicator::Pending> pending;

  // Calls use(weight, its part of `sums`).
  template <typename Use>
  void ForEach(const Use& use) {
    int64_t at = 0;
    for (torch::Tensor& weight : weights) {
      use(weight, sums.slice(0, at, at + weight.numel()).view(weight.sizes()));
      at += weight.numel();
    }
  }
};

struct GradientReducer::Hook final : torch::autograd::PostAccumulateGradHook {
  Hook(GradientReducer& owner, size_t index) : reducer(owner), bucket(index) {}
  void operator()(const torch::autograd::Variable&) override { reducer.OnReady(bucket); }

  GradientReducer& reducer;
  size_t bucket;
};

GradientReducer::GradientReducer(const std::vector<torch::Tensor>& weights, Communicator& communicator,
                                 int64_t bucket_bytes)
    : communicator_(communicator) {
  int64_t bytes = bucket_bytes;  // in the last bucket
  for (size_t i = weights.size(); i-- > 0;) {
    const auto size = static_cast<int64_t>(weights[i].numel() * sizeof(float));
    if (bytes + size > bucket_bytes) {
      buckets_.push_back(std::make_unique<Bucket>());
      bytes = 0;
    }
    bytes += size;
    buckets_.back()->weights.push_back(weights[i]);
    torch::autograd::impl::set_post_acc_grad_hooks(weights[i], std::make_unique<Hook>(*this, buckets_.size() - 1));
  }
  for (const auto& bucket : buckets_) {
    int64_t size = 0;
    for (const torch::Tensor& weight : bucket->weights) size += weight.numel();
    bucket->sums = torch::empty({size});
  }
}

GradientReducer::~GradientReducer() {
  for (const auto& bucket : buckets_) {
    for (const torch::Tensor& weight : bucket->weights) {
      torch::autograd::impl::set_post_acc_grad_hooks(weight, nullptr);
    }
  }
}

void GradientReducer::Start() {
  next_ = 0;
  started_ = true;
  for (const auto& bucket : buckets_) bucket->num_missing = bucket->weights.size();
}

// A bucket that is full waits for those before it: collective operations need one order on all ranks.
void GradientReducer::OnReady(size_t bucket) {
  if (!started_) return;
  --buckets_[bucket]->num_missing;
  for (size_t i = 0; i < next_; ++i) buckets_[i]->pending->Progress();
  while (next_ < buckets_.size() && buckets_[next_]->num_missing == 0) Send(*buckets_[next_++]);
}

void GradientReducer::Send(Bucket& bucket) {
  torch::NoGradGuard no_grad;
  bucket.ForEach([](const torch::Tensor& weight, torch::Tensor part) {
    if (weight.grad().defined()) {
      part.copy_(weight.grad());
    } else {
      part.zero_();
    }
  });
  bucket.pending = communicator_.StartSum({bucket.sums.data_ptr<float>(), static_cast<size_t>(bucket.sums.numel())});
}

void GradientReducer::Finish() {
  torch::NoGradGuard no_grad;
  started_ = false;
  while (next_ < buckets_.size()) Send(*buckets_[next_++]);
  for (const auto& bucket : buckets_) {
    bucket->pending->Wait();
    bucket->pending.reset();
    bucket->ForEach([](torch::Tensor& weight, const torch::Tensor& part) {
      if (!weight.grad().defined()) weight.mutable_grad() = torch::empty_like(weight);
      weight.mutable_grad().copy_(part);
    });
  }
}

}  // namespace retro
