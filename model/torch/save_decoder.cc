#include "model/torch/save_decoder.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "model/safetensors.h"

namespace retro {
namespace {

torch::ScalarType ScalarType(DataType type) {
  switch (type) {
    case DataType::kF32:
      return torch::kFloat32;
    case DataType::kF16:
      return torch::kFloat16;
    case DataType::kBF16:
      return torch::kBFloat16;
    default:
      Throw(ErrorCode::kInternal, "weights are not written as {}", DataTypeName(type));
  }
}

class Writer {
 public:
  Writer(bool transposed, DataType type) : transposed_(transposed), type_(type) {}

  // Nothing where the model has no such weight.
  void Add(const std::string& name, const torch::Tensor& tensor) {
    if (name.empty()) return;
    views_.push_back(Converted(name, tensor, type_, held_));
  }

  void AddMatrix(const std::string& name, const torch::Tensor& matrix) { Add(name, transposed_ ? matrix.t() : matrix); }

  void AddLinear(const std::string& weight, const std::string& bias, const Projection& linear) {
    AddMatrix(weight, linear->weight);
    Add(bias, linear->bias);
  }

  void AddNorm(const std::string& weight, const std::string& bias, const Norm& norm) {
    Add(weight, norm->weight);
    Add(bias, norm->bias);
  }

  void AddAttention(const DecoderLayerNames& names, const SelfAttention& attention) {
    if (names.qkv.empty()) {
      AddLinear(names.q, names.q_bias, attention->q);
      AddLinear(names.k, names.k_bias, attention->k);
      AddLinear(names.v, names.v_bias, attention->v);
    } else {
      AddMatrix(names.qkv, torch::cat({attention->q->weight, attention->k->weight, attention->v->weight}));
      Add(names.qkv_bias, torch::cat({attention->q->bias, attention->k->bias, attention->v->bias}));
    }
    AddLinear(names.attention_out, names.attention_out_bias, attention->out);
  }

  void AddLayer(const DecoderLayerNames& names, const DecoderLayer& layer) {
    AddNorm(names.attention_norm, names.attention_norm_bias, layer->attention_norm);
    AddAttention(names, layer->attention);
    AddNorm(names.ffn_norm, names.ffn_norm_bias, layer->ffn_norm);
    if (layer->ffn->gate) AddLinear(names.ffn_gate, names.ffn_gate_bias, layer->ffn->gate);
    AddLinear(names.ffn_up, names.ffn_up_bias, layer->ffn->up);
    AddLinear(names.ffn_down, names.ffn_down_bias, layer->ffn->down);
  }

  // With the mark that transformers asks for.
  void Write(const std::filesystem::path& path) const { WriteSafetensors(path, views_, {{"format", "pt"}}); }

 private:
  bool transposed_;
  DataType type_;
  std::deque<torch::Tensor> held_;  // what the views point into
  std::vector<TensorView> views_;
};

nlohmann::json RopeJson(const DecoderConfig& config) {
  nlohmann::json rope = {{"rope_type", "default"}, {"rope_theta", config.rope_base}};
  if (!config.rope_scaling) return rope;
  const Llama3RopeScaling& scaling = *config.rope_scaling;
  rope.update({{"rope_type", "llama3"},
               {"factor", scaling.factor},
               {"low_freq_factor", scaling.low_freq_factor},
               {"high_freq_factor", scaling.high_freq_factor},
               {"original_max_position_embeddings", scaling.original_context_len}});
  return rope;
}

nlohmann::json ConfigJson(const DecoderConfig& c) {
  if (c.family == "gpt2") {
    return {{"model_type", "gpt2"},
            {"architectures", {"GPT2LMHeadModel"}},
            {"vocab_size", c.vocab_size},
            {"n_embd", c.hidden_dim},
            {"n_layer", c.num_layers},
            {"n_head", c.num_heads},
            {"n_inner", c.ffn_dim},
            {"n_positions", c.context_len},
            {"layer_norm_epsilon", c.norm_eps},
            {"activation_function", c.ffn == FeedForwardKind::kGelu ? "gelu" : "gelu_new"},
            {"tie_word_embeddings", c.tied_embeddings}};
  }
  return {{"model_type", "llama"},
          {"architectures", {"LlamaForCausalLM"}},
          {"vocab_size", c.vocab_size},
          {"hidden_size", c.hidden_dim},
          {"num_hidden_layers", c.num_layers},
          {"num_attention_heads", c.num_heads},
          {"num_key_value_heads", c.num_kv_heads},
          {"head_dim", c.head_dim},
          {"intermediate_size", c.ffn_dim},
          {"max_position_embeddings", c.context_len},
          {"rms_norm_eps", c.norm_eps},
          {"hidden_act", "silu"},
          {"rope_theta", c.rope_base},
          {"rope_parameters", RopeJson(c)},
          {"attention_bias", c.attention_bias},
          {"mlp_bias", c.ffn_bias},
          {"tie_word_embeddings", c.tied_embeddings}};
}

}  // namespace

TensorView Converted(const std::string& name, const torch::Tensor& tensor, DataType type,
                     std::deque<torch::Tensor>& held) {
  const auto& kept = held.emplace_back(tensor.detach().to(torch::kCPU, ScalarType(type)).contiguous());
  if (type == DataType::kF16 && !kept.isfinite().all().item<bool>()) {
    Throw(ErrorCode::kInvalidArgument, "the weight {} has values beyond f16's range; write it as bf16 or f32", name);
  }
  return {name, type, kept.sizes().vec(), {static_cast<const std::byte*>(kept.data_ptr()), kept.nbytes()}};
}

void SaveDecoder(const std::filesystem::path& folder, const DecoderConfig& config, const DecoderModule& decoder,
                 const NamedTensors& more, DataType type) {
  Writer writer(config.family == "gpt2", type);
  const DecoderWeightNames names = UsualDecoderNames(config);
  writer.Add(names.token_embedding, decoder->token_embedding->weight);
  if (decoder->position_embedding) writer.Add(names.position_embedding, decoder->position_embedding->weight);
  writer.AddNorm(names.final_norm, names.final_norm_bias, decoder->final_norm);
  if (decoder->output) writer.Add(names.output, decoder->output->weight);
  for (size_t i = 0; i < names.layers.size(); ++i) writer.AddLayer(names.layers[i], decoder->layers[i]);
  for (const auto& [name, tensor] : more) writer.Add(name, tensor);
  nlohmann::json json = ConfigJson(config);
  if (config.retro) json["retro"] = ToJson(*config.retro);
  WriteFileAtomically(folder / "config.json", json.dump(1) + "\n");
  writer.Write(folder / "model.safetensors");
}

}  // namespace retro
