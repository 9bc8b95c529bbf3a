// The shape of a BERT encoder, and how its token vectors become one embedding (sentence-transformers' own files).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "model/decoder_config.h"

namespace retro {

struct BertConfig {
  int64_t vocab_size = 0;
  int64_t hidden_dim = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;  // head_dim = hidden_dim / num_heads
  int64_t ffn_dim = 0;
  int64_t max_positions = 0;  // rows of the position table
  int64_t num_token_types = 2;
  float norm_eps = 1e-12f;
  FeedForwardKind ffn = FeedForwardKind::kGelu;  // kGelu (erf) or kGeluTanh

  int64_t max_len = 0;     // tokens that the model was made for, special ones included; at most max_positions
  bool normalize = false;  // the embedding is divided by its L2 norm
  // Token vectors are always pooled by their mean, special tokens included; other poolings are refused when read.

  // The sentence that says what cannot be; empty when valid.
  std::string Validate() const;
};

// From a Hugging Face config.json (model_type bert), without the sentence-transformers part (max_len = max_positions).
// Throws Error naming the field.
BertConfig BertConfigFromJson(const nlohmann::json& json, const std::filesystem::path& named);

// config.json of a folder and, where they exist, modules.json, 1_Pooling/config.json and sentence_bert_config.json.
// Throws Error naming file and field.
BertConfig LoadBertConfig(const std::filesystem::path& folder);

}  // namespace retro
