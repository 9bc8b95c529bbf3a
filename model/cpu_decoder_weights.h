// The weights of a CpuDecoder, packed for the kernels. Immutable.
#pragma once

#include <vector>

#include "model/model_files.h"
#include "model/packed_linear.h"

namespace retro {

struct NormWeights {
  std::vector<float> weight, bias;  // [hidden_dim]; bias is empty with RMSNorm
};

struct DecoderLayerWeights {
  NormWeights attention_norm, ffn_norm;
  PackedLinear qkv;            // q rows, then k, then v
  PackedLinear attention_out;  // [hidden_dim, num_heads * head_dim]
  PackedLinear ffn_in;         // up; or gate and up in turn (SwiGLU)
  PackedLinear ffn_out;
};

struct DecoderWeights {
  TensorView token_embedding;             // stays in the file's map: a token reads one row
  std::vector<float> position_embedding;  // [context_len, hidden_dim]; empty with rotary positions
  std::vector<float> rope_frequencies;    // radians a position, [head_dim / 2]; empty with learned positions
  std::vector<DecoderLayerWeights> layers;
  NormWeights final_norm;
  PackedLinear output;  // [vocab_size, hidden_dim]

  uint64_t num_parameters = 0;  // a matrix that is tied counts once
  uint64_t bytes = 0;           // as held in memory, without the file's map
};

// Throws Error(kCorruption, kInvalidArgument) naming file and tensor. The token embedding lives as long as
// `source.tensors`.
DecoderWeights LoadDecoderWeights(const DecoderSource& source, WeightPrecision precision, ThreadPool& pool);

}  // namespace retro
