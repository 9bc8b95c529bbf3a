// The shape of a decoder: GPT-2 and LLaMA families as settings of one network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "model/retro_config.h"

namespace retro {

class GgufFile;

enum class NormKind { kLayerNorm, kRmsNorm };
enum class PositionKind { kLearned, kRotary };
enum class FeedForwardKind { kGelu, kGeluTanh, kSwiGlu };

// LLaMA 3's frequency-dependent stretching of RoPE ("rope_type": "llama3").
struct Llama3RopeScaling {
  float factor = 8, low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_context_len = 8192;
};

struct DecoderConfig {
  std::string family;  // "gpt2" or "llama"
  int64_t vocab_size = 0;
  int64_t hidden_dim = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;  // < num_heads: grouped-query attention
  int64_t head_dim = 0;
  int64_t ffn_dim = 0;
  int64_t context_len = 0;
  float norm_eps = 1e-5f;
  NormKind norm = NormKind::kRmsNorm;
  PositionKind position = PositionKind::kRotary;
  FeedForwardKind ffn = FeedForwardKind::kSwiGlu;
  float rope_base = 10000.0f;
  std::optional<Llama3RopeScaling> rope_scaling;
  bool attention_bias = false;  // biases on q, k, v and the attention output
  bool ffn_bias = false;
  bool tied_embeddings = true;
  std::optional<RetroConfig> retro = {};  // chunked cross-attention over retrieved neighbours

  // The sentence that says what cannot be, e.g. "num_heads 9 is not a multiple of num_kv_heads 2"; empty when valid.
  std::string Validate() const;
};

// From a Hugging Face config.json (model_type gpt2 or llama). Throws Error naming the field.
DecoderConfig DecoderConfigFromJson(const nlohmann::json& json, const std::filesystem::path& named);

// From a GGUF file's metadata (general.architecture llama or gpt2). LLaMA 3's scaling is there a tensor of factors
// (DecoderWeightNames::rope_frequency_factors), so rope_scaling stays empty. Throws Error naming file and key.
DecoderConfig DecoderConfigFromGguf(const GgufFile& file);

}  // namespace retro
