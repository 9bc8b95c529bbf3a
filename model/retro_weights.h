// The weights that RETRO adds to a decoder, packed for the kernels. Immutable.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "model/kernels/relative_positions.h"
#include "model/kernels/vector_ops.h"
#include "model/weight_loader.h"

namespace retro {

struct CrossAttentionWeights {
  int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
  PackedLinear q;
  PackedLinear kv;  // k rows, then v
  PackedLinear out;
  RelativePositions positions;

  int64_t q_dim() const { return num_heads * head_dim; }
  int64_t kv_dim() const { return 2 * num_kv_heads * head_dim; }  // keys and values of one token
};

struct NeighbourEncoderLayerWeights {
  TransformerLayerWeights layer;
  // Attention to the decoder's activations, in NeighbourEncoderConfig::cross_layers.
  struct Cross {
    NormWeights norm, memory_norm;
    CrossAttentionWeights attention;
  };
  std::optional<Cross> cross;
};

struct NeighbourEncoderWeights {
  TensorView token_embedding;             // stays in the file's map
  std::vector<float> position_embedding;  // [neighbour_len, hidden_dim]; empty with rotary positions
  std::vector<float> rope_frequencies;    // [head_dim / 2]; empty with learned positions
  RotaryPairing rotary_pairing = RotaryPairing::kHalves;
  std::vector<NeighbourEncoderLayerWeights> layers;
  // NeighbourEncoderConfig::shared_layers: the decoder's, in place of `layers`.
  std::span<const TransformerLayerWeights> shared_layers;
  NormWeights final_norm;
};

// What an encoder with shared layers takes from its decoder; the layers must outlive it.
struct SharedLayers {
  std::span<const TransformerLayerWeights> layers;
  std::span<const float> position_embedding, rope_frequencies;
};

struct ChunkedAttentionWeights {
  NormWeights norm;
  CrossAttentionWeights attention;
  float scale = 1;  // tanh of the gate
};

struct RetroWeights {
  NeighbourEncoderWeights encoder;
  std::vector<ChunkedAttentionWeights> cca;  // one for each of RetroConfig::cca_layers
};

// `decoder`: its weights, looked at only where the encoder shares them. Throws Error(kCorruption, kInvalidArgument)
// naming file and tensor. REQUIRES: loader.source().config.retro
RetroWeights LoadRetroWeights(WeightLoader& loader, const SharedLayers& decoder);

}  // namespace retro
