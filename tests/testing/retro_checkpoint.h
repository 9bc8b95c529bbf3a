// RETRO checkpoints with random weights, made on the spot from a base decoder's.
#pragma once

#include <cstring>
#include <filesystem>
#include <list>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/file.h"
#include "model/model_files.h"
#include "model/safetensors.h"

namespace retro {

// Small enough for sequences of 40 tokens to have several chunks, and with no two sizes alike.
inline RetroConfig SmallRetroConfig() {
  RetroConfig retro;
  retro.chunk_len = 8;
  retro.neighbour_len = 13;
  retro.num_neighbours = 2;
  retro.cca_layers = {0, 1};
  retro.encoder = {.num_layers = 2,
                   .hidden_dim = 20,
                   .num_heads = 4,
                   .num_kv_heads = 2,
                   .head_dim = 6,
                   .ffn_dim = 28,
                   .cross_layers = {0, 1},
                   .shared_embedding = false};
  return retro;
}

// Adds what a RETRO checkpoint has beside the base's tensors. All values are random, those of gates and norms included.
class RetroTensors {
 public:
  RetroTensors(const DecoderConfig& base, const RetroConfig& retro, uint32_t seed)
      : base_(base), retro_(retro), random_(seed) {
    AddEncoder();
    for (const int64_t layer : retro.cca_layers) {
      const std::string at = "retro.cca." + std::to_string(layer) + ".";
      AddNorm(at + "norm", base.hidden_dim);
      AddAttention(at + "attention.", base.hidden_dim, retro.encoder.hidden_dim, base.num_heads, base.num_kv_heads,
                   base.head_dim);
      AddPositions(at + "attention.", base.hidden_dim, base.num_heads, base.head_dim);
      if (retro.gated) Add(at + "gate", {1}, 1);
    }
  }

  std::vector<TensorView> Views() const {
    std::vector<TensorView> views;
    for (const Tensor& tensor : tensors_) {
      views.push_back({tensor.name, DataType::kF32, tensor.shape, std::as_bytes(std::span(tensor.values))});
    }
    return views;
  }

 private:
  struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<float> values;
  };

  void AddEncoder() {
    const NeighbourEncoderConfig& encoder = retro_.encoder;
    const int64_t dim = encoder.hidden_dim;
    if (!encoder.shared_embedding) Add("retro.encoder.token_embedding.weight", {base_.vocab_size, dim}, 1);
    if (base_.position == PositionKind::kLearned) {
      Add("retro.encoder.position_embedding.weight", {retro_.neighbour_len, dim}, 1);
    }
    for (int64_t i = 0; i < encoder.num_layers; ++i) AddEncoderLayer(i);
    AddNorm("retro.encoder.final_norm", dim);
  }

  void AddEncoderLayer(int64_t i) {
    const NeighbourEncoderConfig& encoder = retro_.encoder;
    const int64_t dim = encoder.hidden_dim;
    const std::string at = "retro.encoder.layers." + std::to_string(i) + ".";
    AddNorm(at + "attention_norm", dim);
    AddAttention(at + "attention.", dim, dim, encoder.num_heads, encoder.num_kv_heads, encoder.head_dim);
    AddNorm(at + "ffn_norm", dim);
    if (base_.ffn == FeedForwardKind::kSwiGlu) AddLinear(at + "ffn.gate", encoder.ffn_dim, dim, base_.ffn_bias);
    AddLinear(at + "ffn.up", encoder.ffn_dim, dim, base_.ffn_bias);
    AddLinear(at + "ffn.down", dim, encoder.ffn_dim, base_.ffn_bias);
    if (std::ranges::find(encoder.cross_layers, i) == encoder.cross_layers.end()) return;
    AddNorm(at + "cross_norm", dim);
    AddNorm(at + "cross.memory_norm", base_.hidden_dim);
    AddAttention(at + "cross.", dim, base_.hidden_dim, encoder.num_heads, encoder.num_kv_heads, encoder.head_dim);
    AddPositions(at + "cross.", dim, encoder.num_heads, encoder.head_dim);
  }

  void AddNorm(const std::string& at, int64_t width) {
    Add(at + ".weight", {width}, 1);
    if (base_.norm == NormKind::kLayerNorm) Add(at + ".bias", {width}, 0.3f);
  }

  void AddAttention(const std::string& at, int64_t width, int64_t memory, int64_t heads, int64_t kv_heads,
                    int64_t head_dim) {
    AddLinear(at + "q", heads * head_dim, width, base_.attention_bias);
    AddLinear(at + "k", kv_heads * head_dim, memory, base_.attention_bias);
    AddLinear(at + "v", kv_heads * head_dim, memory, base_.attention_bias);
    AddLinear(at + "out", width, heads * head_dim, base_.attention_bias);
  }

  void AddPositions(const std::string& at, int64_t width, int64_t heads, int64_t head_dim) {
    Add(at + "position.weight", {heads * head_dim, width}, 0.2f);
    Add(at + "position_bias", {heads, head_dim}, 0.3f);
  }

  void AddLinear(const std::string& at, int64_t outputs, int64_t inputs, bool bias) {
    Add(at + ".weight", {outputs, inputs}, 1.0f / std::sqrt(static_cast<float>(inputs)));
    if (bias) Add(at + ".bias", {outputs}, 0.3f);
  }

  void Add(std::string name, std::vector<int64_t> shape, float scale) {
    int64_t count = 1;
    for (const int64_t dim : shape) count *= dim;
    std::normal_distribution<float> normal(0, scale);
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    tensors_.push_back({std::move(name), std::move(shape), std::move(values)});
  }

  DecoderConfig base_;
  RetroConfig retro_;
  std::mt19937 random_;
  std::list<Tensor> tensors_;
};

// A small decoder of the LLaMA family with random weights and any vocabulary, in Hugging Face layout.
inline void WriteRandomLlama(const std::filesystem::path& folder, int64_t vocab_size, int64_t context_len) {
  constexpr int64_t kHidden = 16, kHeads = 2, kHeadDim = 8, kFeedForward = 24, kLayers = 2;
  struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<float> values;
  };
  std::list<Tensor> tensors;
  std::mt19937 random(7);
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    const int64_t count = shape.front() * (shape.size() == 2 ? shape.back() : 1);
    std::normal_distribution<float> normal(0, shape.size() == 2 ? 1.0f / std::sqrt(static_cast<float>(kHidden)) : 1);
    std::vector<float> values(count);
    for (float& value : values) value = normal(random);
    tensors.push_back({name, std::move(shape), std::move(values)});
  };
  add("model.embed_tokens.weight", {vocab_size, kHidden});
  add("model.norm.weight", {kHidden});
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) add(at + norm + ".weight", {kHidden});
    for (const char* matrix : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      add(at + "self_attn." + matrix + ".weight", {kHidden, kHeads * kHeadDim});
    }
    for (const char* matrix : {"gate_proj", "up_proj"}) add(at + "mlp." + matrix + ".weight", {kFeedForward, kHidden});
    add(at + "mlp.down_proj.weight", {kHidden, kFeedForward});
  }
  const nlohmann::json config = {{"model_type", "llama"},
                                 {"hidden_act", "silu"},
                                 {"hidden_size", kHidden},
                                 {"intermediate_size", kFeedForward},
                                 {"max_position_embeddings", context_len},
                                 {"num_attention_heads", kHeads},
                                 {"num_key_value_heads", kHeads},
                                 {"num_hidden_layers", kLayers},
                                 {"rms_norm_eps", 1e-6},
                                 {"rope_theta", 10000.0},
                                 {"tie_word_embeddings", true},
                                 {"vocab_size", vocab_size}};
  MakeDirectories(folder);
  WriteFileAtomically(folder / "config.json", config.dump(1));
  std::vector<TensorView> views;
  for (const Tensor& tensor : tensors) {
    views.push_back({tensor.name, DataType::kF32, tensor.shape, std::as_bytes(std::span(tensor.values))});
  }
  WriteSafetensors(folder / "model.safetensors", views);
}

// A folder with the decoder of `base` (Hugging Face layout) and random weights of RETRO beside it.
inline void WriteRetroCheckpoint(const std::filesystem::path& base, const std::filesystem::path& folder,
                                 const RetroConfig& retro, uint32_t seed = 1) {
  const DecoderSource source = OpenDecoder(base);
  nlohmann::json config = nlohmann::json::parse(ReadFile(base / "config.json"));
  config["retro"] = ToJson(retro);
  MakeDirectories(folder);
  WriteFileAtomically(folder / "config.json", config.dump(1));
  const RetroTensors added(source.config, retro, seed);
  std::vector<TensorView> tensors = added.Views();
  for (const std::string& name : source.tensors->Names()) tensors.push_back(*source.tensors->Find(name));
  WriteSafetensors(folder / "model.safetensors", tensors);
}

}  // namespace retro
