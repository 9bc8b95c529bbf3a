#include "model/torch/neighbour_encoder.h"

#include <algorithm>

#include "model/rope_frequencies.h"

namespace retro {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

}  // namespace

DecoderConfig EncoderAsDecoderConfig(const DecoderConfig& config) {
  const NeighbourEncoderConfig& encoder = config.retro->encoder;
  DecoderConfig own = config;
  own.hidden_dim = encoder.hidden_dim;
  own.num_layers = encoder.num_layers;
  own.num_heads = encoder.num_heads;
  own.num_kv_heads = encoder.num_kv_heads;
  own.head_dim = encoder.head_dim;
  own.ffn_dim = encoder.ffn_dim;
  own.context_len = config.retro->neighbour_len;
  own.retro.reset();
  return own;
}

NeighbourEncoderLayerImpl::NeighbourEncoderLayerImpl(const DecoderConfig& own, int64_t memory_dim, bool crosses) {
  attention_norm = register_module("attention_norm", Norm(own));
  attention = register_module("attention", SelfAttention(own));
  if (crosses) {
    DecoderConfig memory = own;
    memory.hidden_dim = memory_dim;
    cross_norm = register_module("cross_norm", Norm(own));
    memory_norm = register_module("memory_norm", Norm(memory));
    cross = register_module("cross", RelativeAttention(RelativeAttentionConfig{.query_dim = own.hidden_dim,
                                                                               .memory_dim = memory_dim,
                                                                               .num_heads = own.num_heads,
                                                                               .num_kv_heads = own.num_kv_heads,
                                                                               .head_dim = own.head_dim,
                                                                               .bias = own.attention_bias}));
  }
  ffn_norm = register_module("ffn_norm", Norm(own));
  ffn = register_module("ffn", FeedForward(own));
}

torch::Tensor NeighbourEncoderLayerImpl::forward(const torch::Tensor& x, const torch::Tensor& activations,
                                                 const RotaryAngles& angles, const torch::Tensor& mask) {
  const auto rows = x.flatten(0, 1);  // [N k, r, C']
  auto hidden = (rows + attention->Bidirectional(attention_norm(rows), angles, mask)).view(x.sizes());
  if (cross) {
    // Every neighbour of a chunk attends to the same rows, each with its own queries (equation 7).
    hidden = hidden + cross(cross_norm(hidden), memory_norm(activations).unsqueeze(1), torch::Tensor(), 0);
  }
  return hidden + ffn(ffn_norm(hidden));
}

NeighbourEncoderImpl::NeighbourEncoderImpl(const DecoderConfig& config) {
  const NeighbourEncoderConfig& encoder = config.retro->encoder;
  const DecoderConfig own = EncoderAsDecoderConfig(config);
  if (!encoder.shared_embedding) {
    token_embedding = register_module("token_embedding", nn::Embedding(config.vocab_size, encoder.hidden_dim));
  }
  if (encoder.shared_layers) {
    final_norm = register_module("final_norm", Norm(own));
    return;
  }
  if (config.position == PositionKind::kLearned) {
    position_embedding =
        register_module("position_embedding", nn::Embedding(config.retro->neighbour_len, encoder.hidden_dim));
  } else {
    rope_frequencies_ = register_buffer("rope_frequencies", torch::tensor(RopeFrequencies(config, encoder.head_dim)));
  }
  for (int64_t i = 0; i < encoder.num_layers; ++i) {
    const bool crosses = std::ranges::find(encoder.cross_layers, i) != encoder.cross_layers.end();
    layers.push_back(
        register_module("layer_" + std::to_string(i), NeighbourEncoderLayer(own, config.hidden_dim, crosses)));
  }
  final_norm = register_module("final_norm", Norm(own));
}

torch::Tensor NeighbourEncoderImpl::forward(const torch::Tensor& tokens, const torch::Tensor& present,
                                            const torch::Tensor& activations, const torch::Tensor& shared_embedding) {
  const auto rows = tokens.flatten(0, 1);  // [N, k, r]
  auto hidden = F::embedding(rows, token_embedding ? token_embedding->weight : shared_embedding);
  if (position_embedding) hidden = hidden + position_embedding->weight.slice(0, 0, rows.size(2));
  RotaryAngles angles;
  if (rope_frequencies_.defined()) {
    const auto turned = torch::outer(torch::arange(rows.size(2), rope_frequencies_.options()), rope_frequencies_);
    angles = {turned.cos(), turned.sin()};
  }
  torch::Tensor mask;
  if (present.defined()) {
    // A neighbour that there is not attends to all its places, so that nothing is NaN; nobody attends to it.
    const auto there = present.flatten(0, 2);  // [N k, r]
    mask = there.logical_or(there.any(1, true).logical_not()).unsqueeze(1).unsqueeze(1);
  }
  const auto memory = activations.flatten(0, 1);  // [N, m, C]
  for (NeighbourEncoderLayer& layer : layers) hidden = layer(hidden, memory, angles, mask);
  return final_norm(hidden).unflatten(0, {tokens.size(0), tokens.size(1)});
}

}  // namespace retro
