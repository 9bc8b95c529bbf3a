#include "model/torch/chunked_cross_attention.h"

namespace retro {

ChunkedCrossAttentionImpl::ChunkedCrossAttentionImpl(const DecoderConfig& config)
    : chunk_len_(config.retro->chunk_len) {
  norm = register_module("norm", Norm(config));
  attention = register_module("attention",
                              RelativeAttention(RelativeAttentionConfig{.query_dim = config.hidden_dim,
                                                                        .memory_dim = config.retro->encoder.hidden_dim,
                                                                        .num_heads = config.num_heads,
                                                                        .num_kv_heads = config.num_kv_heads,
                                                                        .head_dim = config.head_dim,
                                                                        .bias = config.attention_bias}));
  if (config.retro->gated) gate = register_parameter("gate", torch::zeros({1}));
}

torch::Tensor ChunkedCrossAttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& encoded,
                                                 const torch::Tensor& present) {
  const int64_t batch = x.size(0), chunks = encoded.size(1), before = chunk_len_ - 1;
  const int64_t attending = x.size(1) - before;  // rows from the last token of the first chunk on
  auto queries = norm(x.slice(1, before));
  queries = torch::constant_pad_nd(queries, {0, 0, 0, chunks * chunk_len_ - attending});
  queries = queries.reshape({batch * chunks, 1, chunk_len_, x.size(2)});
  // The key at place j of a neighbour is m - 1 + i - j away from the attending chunk's token i (equation 6).
  const auto added =
      attention(queries, encoded.flatten(0, 1), present.defined() ? present.flatten(0, 1) : present, chunk_len_ - 1);
  auto rows = added.reshape({batch, chunks * chunk_len_, x.size(2)}).slice(1, 0, attending);
  if (gate.defined()) rows = rows * gate.tanh();
  return torch::constant_pad_nd(rows, {0, 0, before, 0});
}

}  // namespace retro
