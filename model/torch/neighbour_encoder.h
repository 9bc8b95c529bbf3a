// The bidirectional encoder of neighbours, conditioned on the chunk that they were found for (Borgeaud et al. 2022,
// section 2.4 and algorithm 1).
// Shapes: B sequences, L chunks of m tokens, k neighbours of r tokens, C = hidden_dim, C' the encoder's width.
#pragma once

#include <vector>

#include "model/torch/decoder_module.h"
#include "model/torch/relative_attention.h"

namespace retro {

class NeighbourEncoderLayerImpl : public torch::nn::Module {
 public:
  // `own`: the encoder's sizes as a decoder's of the same family. `crosses`: attends to the decoder's activations.
  NeighbourEncoderLayerImpl(const DecoderConfig& own, int64_t memory_dim, bool crosses);

  // x: [N, k, r, C'] of N chunks; activations: [N, m, C]; mask: [N k, 1, 1, r] bool or undefined.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& activations, const RotaryAngles& angles,
                        const torch::Tensor& mask);

  Norm attention_norm{nullptr}, cross_norm{nullptr}, memory_norm{nullptr}, ffn_norm{nullptr};
  SelfAttention attention{nullptr};
  RelativeAttention cross{nullptr};  // null where the layer does not cross
  FeedForward ffn{nullptr};
};
TORCH_MODULE(NeighbourEncoderLayer);

class NeighbourEncoderImpl : public torch::nn::Module {
 public:
  // REQUIRES: config.retro
  explicit NeighbourEncoderImpl(const DecoderConfig& config);

  // tokens: [B, L, k, r] int64; present: the same shape, bool, undefined: all; activations: [B, L, m, C], the decoder's
  // of the chunks themselves. `shared_embedding`: the decoder's matrix, looked at only where the configuration shares
  // it. Each neighbour is encoded by itself. [B, L, k, r, C']. REQUIRES: not shared_layers, whose encoder is the
  // decoder's layers and the norm alone (RetroModule).
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& present, const torch::Tensor& activations,
                        const torch::Tensor& shared_embedding);

  torch::nn::Embedding token_embedding{nullptr};     // null where shared
  torch::nn::Embedding position_embedding{nullptr};  // learned positions only
  std::vector<NeighbourEncoderLayer> layers;
  Norm final_norm{nullptr};

 private:
  torch::Tensor rope_frequencies_;
};
TORCH_MODULE(NeighbourEncoder);

// The encoder's sizes as a decoder configuration of the same family.
DecoderConfig EncoderAsDecoderConfig(const DecoderConfig& config);

}  // namespace retro
