// What the weights of a model are called in its file: one set of roles whatever the source.
#pragma once

#include <string>
#include <vector>

#include "model/bert_config.h"
#include "model/decoder_config.h"

namespace retro {

class TensorSource;

// The weights of one decoder layer by role. A name is empty where the layer has no such weight (no bias, RMSNorm, a
// fused or a separate projection). Shapes of matrices are [out, in], or [in, out] where DecoderSource says
// transposed_linear.
struct DecoderLayerNames {
  std::string attention_norm, attention_norm_bias;  // [hidden_dim]
  std::string qkv, qkv_bias;                        // fused: q rows, then k, then v; else q, k and v are named
  std::string q, k, v;                              // [num_heads * head_dim, hidden_dim], k and v by num_kv_heads
  std::string q_bias, k_bias, v_bias;
  std::string attention_out, attention_out_bias;  // [hidden_dim, num_heads * head_dim]
  std::string ffn_norm, ffn_norm_bias;            // [hidden_dim]
  std::string ffn_gate, ffn_gate_bias;            // [ffn_dim, hidden_dim]; SwiGLU only: silu(gate) * up
  std::string ffn_up, ffn_up_bias;                // [ffn_dim, hidden_dim]
  std::string ffn_down, ffn_down_bias;            // [hidden_dim, ffn_dim]
};

struct DecoderWeightNames {
  std::string token_embedding;     // [vocab_size, hidden_dim]
  std::string position_embedding;  // [context_len, hidden_dim]; empty with rotary positions
  std::string final_norm, final_norm_bias;
  std::string output;                  // [vocab_size, hidden_dim], never transposed; empty: the token embedding
  std::string rope_frequency_factors;  // [head_dim / 2]: each frequency is divided by its factor; empty: none
  std::vector<DecoderLayerNames> layers;
};

// An attention whose keys and values come from elsewhere, with relative positions.
struct CrossAttentionNames {
  std::string q, q_bias, k, k_bias, v, v_bias, out, out_bias;
  std::string position;       // [num_heads * head_dim, width of q's input]
  std::string position_bias;  // [num_heads, head_dim]
};

struct NeighbourEncoderLayerNames {
  DecoderLayerNames layer;  // never fused
  std::string cross_norm, cross_norm_bias, memory_norm, memory_norm_bias;
  CrossAttentionNames cross;  // all empty outside of NeighbourEncoderConfig::cross_layers
};

struct ChunkedAttentionNames {
  std::string norm, norm_bias;
  CrossAttentionNames attention;
  std::string gate;  // [1]; empty when not gated
};

// The weights that RETRO adds to a decoder (model/retro_config.h); all matrices are [out, in].
struct RetroWeightNames {
  std::string token_embedding;     // [vocab_size, encoder.hidden_dim]; empty: the decoder's
  std::string position_embedding;  // [neighbour_len, encoder.hidden_dim]; empty with rotary positions or shared layers
  std::vector<NeighbourEncoderLayerNames> encoder_layers;  // none where they are the decoder's
  std::string encoder_norm, encoder_norm_bias;
  std::vector<ChunkedAttentionNames> cca;  // one for each of cca_layers
};

struct BertLayerNames {
  std::string q, q_bias, k, k_bias, v, v_bias;  // [hidden_dim, hidden_dim]
  std::string attention_out, attention_out_bias;
  std::string attention_norm, attention_norm_bias;  // after the attention's residual
  std::string ffn_up, ffn_up_bias;                  // [ffn_dim, hidden_dim]
  std::string ffn_down, ffn_down_bias;              // [hidden_dim, ffn_dim]
  std::string ffn_norm, ffn_norm_bias;              // after the feed-forward's residual
};

struct BertWeightNames {
  std::string token_embedding;       // [vocab_size, hidden_dim]
  std::string position_embedding;    // [max_positions, hidden_dim]
  std::string token_type_embedding;  // [num_token_types, hidden_dim]
  std::string embedding_norm, embedding_norm_bias;
  std::vector<BertLayerNames> layers;
};

// `tensors` tells which of the usual prefixes the file uses and whether it has its own output matrix.
DecoderWeightNames HuggingFaceDecoderNames(const DecoderConfig& config, const TensorSource& tensors);
// As a file of the family has them by custom: with every usual prefix.
DecoderWeightNames UsualDecoderNames(const DecoderConfig& config);
DecoderWeightNames GgufDecoderNames(const DecoderConfig& config, const TensorSource& tensors);
// REQUIRES: config.retro
RetroWeightNames RetroNames(const DecoderConfig& config);
BertWeightNames HuggingFaceBertNames(const BertConfig& config, const TensorSource& tensors);

}  // namespace retro
