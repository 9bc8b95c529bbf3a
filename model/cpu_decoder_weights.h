// The weights of a CpuDecoder, packed for the kernels. Immutable.
#pragma once

#include <optional>
#include <vector>

#include "model/retro_weights.h"
#include "model/weight_loader.h"

namespace retro {

struct DecoderWeights {
  TensorView token_embedding;             // stays in the file's map: a token reads one row
  std::vector<float> position_embedding;  // [context_len, hidden_dim]; empty with rotary positions
  std::vector<float> rope_frequencies;    // radians a position, [head_dim / 2]; empty with learned positions
  std::vector<TransformerLayerWeights> layers;
  NormWeights final_norm;
  PackedLinear output;                // [vocab_size, hidden_dim]
  std::optional<RetroWeights> retro;  // as DecoderConfig::retro

  uint64_t num_parameters = 0;  // a matrix that is tied counts once
  uint64_t bytes = 0;           // as held in memory, without the file's map
};

// Throws Error(kCorruption, kInvalidArgument) naming file and tensor. The token embeddings live as long as
// `source.tensors`.
DecoderWeights LoadDecoderWeights(const DecoderSource& source, WeightPrecision precision, ThreadPool& pool);

}  // namespace retro
