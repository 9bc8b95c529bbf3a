// Attention of one set of rows to another with the relative positions of Transformer-XL (Dai et al. 2019), as RETRO's
// chunked cross-attention and its encoder use it (Borgeaud et al. 2022, section 2.5 and equations 6 and 7):
//   logit(i, j) = (q_i · k_j + (q_i + b_h) · (W R(d))_h) / sqrt(D)
// with R(d) the sinusoids of the distance d, and one softmax over all keys that are present.
// Shapes: N sets, G groups of I queries, M groups of J keys, H heads, D head_dim.
#pragma once

#include "model/torch/precompiled.h"

namespace retro {

struct RelativeAttentionConfig {
  int64_t query_dim = 0;   // width of the rows that attend, and of the result
  int64_t memory_dim = 0;  // width of the rows that are attended to
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
  bool bias = false;  // on q, k, v and out
};

class RelativeAttentionImpl : public torch::nn::Module {
 public:
  explicit RelativeAttentionImpl(const RelativeAttentionConfig& config);

  // queries: [N, G, I, query_dim]; memory: [N, M, J, memory_dim]; present: [N, M, J] bool, or undefined when all keys
  // are. The distance of query i and key j is i - j + offset, whichever their groups. A set without any key present
  // gives exact zeros. [N, G, I, query_dim]
  torch::Tensor forward(const torch::Tensor& queries, const torch::Tensor& memory, const torch::Tensor& present,
                        int64_t offset);

  torch::nn::Linear q{nullptr}, k{nullptr}, v{nullptr}, out{nullptr}, position{nullptr};
  torch::Tensor position_bias;  // [H, D]

 private:
  torch::Tensor PositionLogits(const torch::Tensor& queries, int64_t num_keys, int64_t offset);

  RelativeAttentionConfig config_;
};
TORCH_MODULE(RelativeAttention);

// Sinusoids of the distances first, first + 1, …: row n has sin and cos of d / 10000^(2i / width) at columns 2i and
// 2i + 1. [count, width], fp32
torch::Tensor DistanceSinusoids(int64_t first, int64_t count, int64_t width);

}  // namespace retro
