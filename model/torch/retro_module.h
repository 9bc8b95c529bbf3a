// The RETRO decoder as a LibTorch module (Borgeaud et al. 2022, equations 1 to 7, algorithm 1).
// Shapes: B sequences, T tokens, L = ceil(T / m) chunks, k neighbours, r tokens a neighbour, C = hidden_dim.
#pragma once

#include <vector>

#include "model/torch/chunked_cross_attention.h"
#include "model/torch/decoder_module.h"
#include "model/torch/neighbour_encoder.h"

namespace retro {

// The neighbours of every chunk of a batch.
struct NeighbourBatch {
  torch::Tensor tokens;   // [B, L, k, r] int64; any token of the vocabulary where none is present
  torch::Tensor present;  // [B, L, k, r] bool; a neighbour that there is not has none
};

class RetroModuleImpl : public torch::nn::Module {
 public:
  // REQUIRES: config.retro
  RetroModuleImpl(const DecoderConfig& config, std::vector<float> rope_frequencies);

  // tokens: [B, T] int64. Chunk u is tokens [u m, (u + 1) m); its neighbours act on positions (u + 1) m - 1 to
  // (u + 2) m - 2. Null: retrieval off, the base decoder's own computation bit for bit. [B, T, vocab_size]
  torch::Tensor forward(const torch::Tensor& tokens, const NeighbourBatch* neighbours);
  // The same before the output matrix, after the final norm: [B, T, C].
  torch::Tensor Hidden(const torch::Tensor& tokens, const NeighbourBatch* neighbours);

  DecoderModule decoder{nullptr};
  NeighbourEncoder encoder{nullptr};
  std::vector<ChunkedCrossAttention> cca;  // one for each of config.retro->cca_layers

 private:
  // What the chunks attend to: [B, L, k, r, C']
  torch::Tensor Encode(const torch::Tensor& found, const torch::Tensor& present, const torch::Tensor& activations);

  DecoderConfig config_;
};
TORCH_MODULE(RetroModule);

}  // namespace retro
