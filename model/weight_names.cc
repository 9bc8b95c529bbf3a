#include "model/weight_names.h"

#include <algorithm>

#include "model/tensor.h"

namespace retro {
namespace {

// The prefix that a saved whole model has and the bare network has not, when the file uses it.
std::string PrefixOf(const TensorSource& tensors, const std::string& prefix, const std::string& probe) {
  return tensors.Find(prefix + probe) != nullptr ? prefix : "";
}

// A weight and, when asked for, its bias.
void Name(const std::string& stem, bool with_bias, std::string& weight, std::string& bias) {
  weight = stem + ".weight";
  if (with_bias) bias = stem + ".bias";
}

DecoderLayerNames HuggingFaceGpt2Layer(const std::string& at) {
  DecoderLayerNames names;
  Name(at + "ln_1", true, names.attention_norm, names.attention_norm_bias);
  Name(at + "attn.c_attn", true, names.qkv, names.qkv_bias);
  Name(at + "attn.c_proj", true, names.attention_out, names.attention_out_bias);
  Name(at + "ln_2", true, names.ffn_norm, names.ffn_norm_bias);
  Name(at + "mlp.c_fc", true, names.ffn_up, names.ffn_up_bias);
  Name(at + "mlp.c_proj", true, names.ffn_down, names.ffn_down_bias);
  return names;
}

DecoderWeightNames HuggingFaceGpt2(const DecoderConfig& config, const TensorSource& tensors) {
  const std::string prefix = PrefixOf(tensors, "transformer.", "wte.weight");
  DecoderWeightNames names;
  names.token_embedding = prefix + "wte.weight";
  names.position_embedding = prefix + "wpe.weight";
  Name(prefix + "ln_f", true, names.final_norm, names.final_norm_bias);
  if (!config.tied_embeddings) names.output = "lm_head.weight";
  for (int64_t i = 0; i < config.num_layers; ++i) {
    names.layers.push_back(HuggingFaceGpt2Layer(prefix + "h." + std::to_string(i) + "."));
  }
  return names;
}

DecoderLayerNames HuggingFaceLlamaLayer(const std::string& at, const DecoderConfig& config) {
  DecoderLayerNames names;
  names.attention_norm = at + "input_layernorm.weight";
  names.ffn_norm = at + "post_attention_layernorm.weight";
  Name(at + "self_attn.q_proj", config.attention_bias, names.q, names.q_bias);
  Name(at + "self_attn.k_proj", config.attention_bias, names.k, names.k_bias);
  Name(at + "self_attn.v_proj", config.attention_bias, names.v, names.v_bias);
  Name(at + "self_attn.o_proj", config.attention_bias, names.attention_out, names.attention_out_bias);
  Name(at + "mlp.gate_proj", config.ffn_bias, names.ffn_gate, names.ffn_gate_bias);
  Name(at + "mlp.up_proj", config.ffn_bias, names.ffn_up, names.ffn_up_bias);
  Name(at + "mlp.down_proj", config.ffn_bias, names.ffn_down, names.ffn_down_bias);
  return names;
}

DecoderWeightNames HuggingFaceLlama(const DecoderConfig& config, const TensorSource& tensors) {
  const std::string prefix = PrefixOf(tensors, "model.", "embed_tokens.weight");
  DecoderWeightNames names;
  names.token_embedding = prefix + "embed_tokens.weight";
  names.final_norm = prefix + "norm.weight";
  if (!config.tied_embeddings) names.output = "lm_head.weight";
  for (int64_t i = 0; i < config.num_layers; ++i) {
    names.layers.push_back(HuggingFaceLlamaLayer(prefix + "layers." + std::to_string(i) + ".", config));
  }
  return names;
}

CrossAttentionNames CrossAttention(const std::string& at, const DecoderConfig& config) {
  CrossAttentionNames names;
  Name(at + "q", config.attention_bias, names.q, names.q_bias);
  Name(at + "k", config.attention_bias, names.k, names.k_bias);
  Name(at + "v", config.attention_bias, names.v, names.v_bias);
  Name(at + "out", config.attention_bias, names.out, names.out_bias);
  names.position = at + "position.weight";
  names.position_bias = at + "position_bias";
  return names;
}

NeighbourEncoderLayerNames NeighbourEncoderLayer(const std::string& at, bool crosses, const DecoderConfig& config) {
  const bool norm_bias = config.norm == NormKind::kLayerNorm;
  NeighbourEncoderLayerNames names;
  DecoderLayerNames& layer = names.layer;
  Name(at + "attention_norm", norm_bias, layer.attention_norm, layer.attention_norm_bias);
  Name(at + "attention.q", config.attention_bias, layer.q, layer.q_bias);
  Name(at + "attention.k", config.attention_bias, layer.k, layer.k_bias);
  Name(at + "attention.v", config.attention_bias, layer.v, layer.v_bias);
  Name(at + "attention.out", config.attention_bias, layer.attention_out, layer.attention_out_bias);
  Name(at + "ffn_norm", norm_bias, layer.ffn_norm, layer.ffn_norm_bias);
  if (config.ffn == FeedForwardKind::kSwiGlu)
    Name(at + "ffn.gate", config.ffn_bias, layer.ffn_gate, layer.ffn_gate_bias);
  Name(at + "ffn.up", config.ffn_bias, layer.ffn_up, layer.ffn_up_bias);
  Name(at + "ffn.down", config.ffn_bias, layer.ffn_down, layer.ffn_down_bias);
  if (!crosses) return names;
  Name(at + "cross_norm", norm_bias, names.cross_norm, names.cross_norm_bias);
  Name(at + "cross.memory_norm", norm_bias, names.memory_norm, names.memory_norm_bias);
  names.cross = CrossAttention(at + "cross.", config);
  return names;
}

DecoderLayerNames GgufLayer(const std::string& at, const DecoderConfig& config) {
  const bool gpt2 = config.family == "gpt2";
  DecoderLayerNames names;
  Name(at + "attn_norm", gpt2, names.attention_norm, names.attention_norm_bias);
  Name(at + "ffn_norm", gpt2, names.ffn_norm, names.ffn_norm_bias);
  if (gpt2) {
    Name(at + "attn_qkv", config.attention_bias, names.qkv, names.qkv_bias);
  } else {
    Name(at + "attn_q", config.attention_bias, names.q, names.q_bias);
    Name(at + "attn_k", config.attention_bias, names.k, names.k_bias);
    Name(at + "attn_v", config.attention_bias, names.v, names.v_bias);
    Name(at + "ffn_gate", config.ffn_bias, names.ffn_gate, names.ffn_gate_bias);
  }
  Name(at + "attn_output", config.attention_bias, names.attention_out, names.attention_out_bias);
  Name(at + "ffn_up", config.ffn_bias, names.ffn_up, names.ffn_up_bias);
  Name(at + "ffn_down", config.ffn_bias, names.ffn_down, names.ffn_down_bias);
  return names;
}

struct NormSuffixes {
  std::string weight, bias;
};

BertLayerNames BertLayer(const std::string& at, const NormSuffixes& norm) {
  BertLayerNames names;
  Name(at + "attention.self.query", true, names.q, names.q_bias);
  Name(at + "attention.self.key", true, names.k, names.k_bias);
  Name(at + "attention.self.value", true, names.v, names.v_bias);
  Name(at + "attention.output.dense", true, names.attention_out, names.attention_out_bias);
  names.attention_norm = at + "attention.output.LayerNorm" + norm.weight;
  names.attention_norm_bias = at + "attention.output.LayerNorm" + norm.bias;
  Name(at + "intermediate.dense", true, names.ffn_up, names.ffn_up_bias);
  Name(at + "output.dense", true, names.ffn_down, names.ffn_down_bias);
  names.ffn_norm = at + "output.LayerNorm" + norm.weight;
  names.ffn_norm_bias = at + "output.LayerNorm" + norm.bias;
  return names;
}

}  // namespace

DecoderWeightNames UsualDecoderNames(const DecoderConfig& config) {
  struct EveryTensor final : TensorSource {
    TensorView view;
    const TensorView* Find(std::string_view) const override { return &view; }
    std::vector<std::string> Names() const override { return {}; }
    std::string Describe() const override { return ""; }
  };
  return HuggingFaceDecoderNames(config, EveryTensor());
}

DecoderWeightNames HuggingFaceDecoderNames(const DecoderConfig& config, const TensorSource& tensors) {
  return config.family == "gpt2" ? HuggingFaceGpt2(config, tensors) : HuggingFaceLlama(config, tensors);
}

DecoderWeightNames GgufDecoderNames(const DecoderConfig& config, const TensorSource& tensors) {
  const bool gpt2 = config.family == "gpt2";
  DecoderWeightNames names;
  names.token_embedding = "token_embd.weight";
  if (gpt2) names.position_embedding = "position_embd.weight";
  Name("output_norm", gpt2, names.final_norm, names.final_norm_bias);
  if (!config.tied_embeddings) names.output = "output.weight";
  if (!gpt2 && tensors.Find("rope_freqs.weight") != nullptr) names.rope_frequency_factors = "rope_freqs.weight";
  for (int64_t i = 0; i < config.num_layers; ++i) {
    names.layers.push_back(GgufLayer("blk." + std::to_string(i) + ".", config));
  }
  return names;
}

RetroWeightNames RetroNames(const DecoderConfig& config) {
  const RetroConfig& retro = *config.retro;
  const bool norm_bias = config.norm == NormKind::kLayerNorm;
  RetroWeightNames names;
  if (!retro.encoder.shared_embedding) names.token_embedding = "retro.encoder.token_embedding.weight";
  const bool own_layers = !retro.encoder.shared_layers;
  if (own_layers && config.position == PositionKind::kLearned) {
    names.position_embedding = "retro.encoder.position_embedding.weight";
  }
  for (int64_t i = 0; own_layers && i < retro.encoder.num_layers; ++i) {
    const bool crosses = std::ranges::find(retro.encoder.cross_layers, i) != retro.encoder.cross_layers.end();
    names.encoder_layers.push_back(
        NeighbourEncoderLayer("retro.encoder.layers." + std::to_string(i) + ".", crosses, config));
  }
  Name("retro.encoder.final_norm", norm_bias, names.encoder_norm, names.encoder_norm_bias);
  for (const int64_t layer : retro.cca_layers) {
    const std::string at = "retro.cca." + std::to_string(layer) + ".";
    ChunkedAttentionNames& cca = names.cca.emplace_back();
    Name(at + "norm", norm_bias, cca.norm, cca.norm_bias);
    cca.attention = CrossAttention(at + "attention.", config);
    if (retro.gated) cca.gate = at + "gate";
  }
  return names;
}

BertWeightNames HuggingFaceBertNames(const BertConfig& config, const TensorSource& tensors) {
  const std::string prefix = PrefixOf(tensors, "bert.", "embeddings.word_embeddings.weight");
  // Files converted from TensorFlow have older names for the parameters of a normalization.
  const bool old_names = tensors.Find(prefix + "embeddings.LayerNorm.gamma") != nullptr;
  const NormSuffixes norm = old_names ? NormSuffixes{".gamma", ".beta"} : NormSuffixes{".weight", ".bias"};
  BertWeightNames names;
  names.token_embedding = prefix + "embeddings.word_embeddings.weight";
  names.position_embedding = prefix + "embeddings.position_embeddings.weight";
  names.token_type_embedding = prefix + "embeddings.token_type_embeddings.weight";
  names.embedding_norm = prefix + "embeddings.LayerNorm" + norm.weight;
  names.embedding_norm_bias = prefix + "embeddings.LayerNorm" + norm.bias;
  for (int64_t i = 0; i < config.num_layers; ++i) {
    names.layers.push_back(BertLayer(prefix + "encoder.layer." + std::to_string(i) + ".", norm));
  }
  return names;
}

}  // namespace retro
