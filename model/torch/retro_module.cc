#include "model/torch/retro_module.h"

#include <utility>

namespace retro {

RetroModuleImpl::RetroModuleImpl(const DecoderConfig& config, std::vector<float> rope_frequencies) : config_(config) {
  encoder = register_module("encoder", NeighbourEncoder(config));
  decoder = register_module("decoder", DecoderModule(config, std::move(rope_frequencies)));
  for (const int64_t layer : config.retro->cca_layers) {
    cca.push_back(register_module("cca_" + std::to_string(layer), ChunkedCrossAttention(config)));
  }
}

torch::Tensor RetroModuleImpl::forward(const torch::Tensor& tokens, const NeighbourBatch* neighbours) {
  return decoder->Logits(Hidden(tokens, neighbours));
}

torch::Tensor RetroModuleImpl::Hidden(const torch::Tensor& tokens, const NeighbourBatch* neighbours) {
  const RetroConfig& retro = *config_.retro;
  const int64_t chunks =
      tokens.size(1) / retro.chunk_len;  // closed ones; what follows attends, and is asked for nothing
  if (neighbours == nullptr || chunks == 0) return decoder->Hidden(tokens);
  const auto found = neighbours->tokens.slice(1, 0, chunks);
  const auto present = neighbours->present.defined() ? neighbours->present.slice(1, 0, chunks) : torch::Tensor();
  auto hidden = decoder->Embed(tokens);
  const auto angles = decoder->Angles(tokens);
  torch::Tensor encoded;
  size_t next = 0;  // of cca_layers
  for (int64_t i = 0; i < config_.num_layers; ++i) {
    DecoderLayer layer = decoder->layers[i];
    hidden =
        decoder->Step([layer, angles](const torch::Tensor& x) mutable { return layer->Attend(x, angles); }, hidden);
    if (next < cca.size() && retro.cca_layers[next] == i) {
      if (!encoded.defined()) {
        const auto activations = hidden.slice(1, 0, chunks * retro.chunk_len).unflatten(1, {chunks, retro.chunk_len});
        encoded = Encode(found, present, activations);
      }
      hidden = hidden + cca[next++](hidden, encoded, present);
    }
    hidden = decoder->Step([layer](const torch::Tensor& x) mutable { return layer->FeedForwardStep(x); }, hidden);
  }
  return decoder->final_norm(hidden);
}

// Shared layers are causal and what there is of a neighbour stands first, so no token sees a missing one.
torch::Tensor RetroModuleImpl::Encode(const torch::Tensor& found, const torch::Tensor& present,
                                      const torch::Tensor& activations) {
  const NeighbourEncoderConfig& sizes = config_.retro->encoder;
  if (!sizes.shared_layers) return encoder(found, present, activations, decoder->token_embedding->weight);
  const auto tokens = found.flatten(0, 2);  // [B L k, r]
  const auto angles = decoder->Angles(tokens);
  auto hidden = decoder->Embed(tokens);
  for (int64_t i = 0; i < sizes.num_layers; ++i) {
    DecoderLayer layer = decoder->layers[i];
    hidden = decoder->Step([layer, angles](const torch::Tensor& x) mutable { return layer(x, angles); }, hidden);
  }
  return encoder->final_norm(hidden).unflatten(0, {found.size(0), found.size(1), found.size(2)});
}

}  // namespace retro
