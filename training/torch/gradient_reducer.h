// Sums the gradients of all ranks while the backward pass still runs (Li et al. 2020, "PyTorch Distributed",
// sections 3.2 and 4.2): weights are put into buckets in the order in which their gradients become ready, and each full
// bucket is summed in the background.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <memory>
#include <vector>

#include "core/communicator.h"
#include "model/torch/precompiled.h"

namespace retro {

// One thread at a time, and the threads of the backward pass in its stead while that runs.
class GradientReducer {
 public:
  static constexpr int64_t kBucketBytes = int64_t{8} << 20;

  // `weights`: those that learn, in the order of the forward pass; the backward pass is expected to go the other way. A
  // bucket holds at least one weight. The weights keep a hook to this object: it must outlive every backward pass
  // through them. `communicator` must live as long.
  GradientReducer(const std::vector<torch::Tensor>& weights, Communicator& communicator,
                  int64_t bucket_bytes = kBucketBytes);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // Called before the last backward pass of a step: what becomes ready from now on is complete on this rank.
  void Start();
  // Called after it: every gradient is the sum over all ranks, a weight that got none on any rank has zeros. All ranks
  // send their buckets in one order, whichever of their weights got gradients.
  void Finish();

  size_t num_buckets() const { return buckets_.size(); }

 private:
  struct Bucket;
  struct Hook;

  void OnReady(size_t bucket);
  void Send(Bucket& bucket);

  Communicator& communicator_;
  std::vector<std::unique_ptr<Bucket>> buckets_;
  size_t next_ = 0;  // bucket to send
  bool started_ = false;
};

}  // namespace retro
