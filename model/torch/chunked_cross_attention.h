// Chunked cross-attention (Borgeaud et al. 2022, section 2.4, equations 3 to 5, and listing 1).
// Shapes: B sequences, T tokens, L chunks of m tokens, k neighbours of r tokens, C = hidden_dim, C' the encoder's
// width.
#pragma once

#include "model/torch/decoder_module.h"
#include "model/torch/relative_attention.h"

namespace retro {

class ChunkedCrossAttentionImpl : public torch::nn::Module {
 public:
  // REQUIRES: config.retro
  explicit ChunkedCrossAttentionImpl(const DecoderConfig& config);

  // What the attention adds to x: [B, T, C]. The last token of chunk u and the m - 1 tokens after it attend to the
  // neighbours of chunk u; to the first m - 1 positions, and where a chunk has no neighbour, exact zeros are added.
  // encoded: [B, L, k, r, C']; present: [B, L, k, r] bool, undefined: all. REQUIRES: L = T / m, the closed chunks, >= 1
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& encoded, const torch::Tensor& present);

  Norm norm{nullptr};
  RelativeAttention attention{nullptr};
  torch::Tensor gate;  // [1], where config.retro->gated

 private:
  int64_t chunk_len_;
};
TORCH_MODULE(ChunkedCrossAttention);

}  // namespace retro
