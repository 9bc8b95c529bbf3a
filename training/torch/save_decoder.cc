#include "training/torch/save_decoder.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "model/safetensors.h"

namespace retro {
namespace {

struct AnyTensor final : TensorSource {
  TensorView view;
  const TensorView* Find(std::string_view) const override { return &view; }
  std::vector<std::string> Names() const override { return {}; }
  std::string Describe() const override { return ""; }
};

struct Writer {
  std::vector<torch::Tensor> held;
  std::vector<TensorView> views;
  bool transposed;
  void Add(const std::string& name, const torch::Tensor& tensor) {
    if (name.empty()) return;
    held.push_back(tensor.detach().to(torch::kCPU).contiguous());
    views.push_back({name, DataType::kF32, held.back().sizes().vec(),
                     std::as_bytes(std::span(held.back().const_data_ptr<float>(), held.back().numel()))});
  }
  void AddLinear(const std::string& weight, const std::string& bias, const torch::nn::Linear& linear) {
    if (weight.empty()) return;
    Add(weight, transposed ? linear->weight.t() : linear->weight);
    if (!bias.empty()) Add(bias, linear->bias);
  }
};

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
            {"activation_function", "gelu_new"},
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
          {"attention_bias", c.attention_bias},
          {"mlp_bias", c.ffn_bias},
          {"tie_word_embeddings", c.tied_embeddings}};
}

}  // namespace

void SaveDecoder(const std::filesystem::path& folder, const DecoderConfig& config, const DecoderModule& decoder) {
  Writer writer;
  writer.transposed = config.family == "gpt2";
  const DecoderWeightNames names = HuggingFaceDecoderNames(config, AnyTensor());
  writer.Add(names.token_embedding, decoder->token_embedding->weight);
  if (decoder->position_embedding) writer.Add(names.position_embedding, decoder->position_embedding->weight);
  writer.Add(names.final_norm, decoder->final_norm->weight);
  if (!names.final_norm_bias.empty()) writer.Add(names.final_norm_bias, decoder->final_norm->bias);
  if (decoder->output) writer.Add(names.output, decoder->output->weight);
  for (size_t i = 0; i < names.layers.size(); ++i) {
    const DecoderLayerNames& n = names.layers[i];
    const DecoderLayer& l = decoder->layers[i];
    writer.Add(n.attention_norm, l->attention_norm->weight);
    if (!n.attention_norm_bias.empty()) writer.Add(n.attention_norm_bias, l->attention_norm->bias);
    if (!n.qkv.empty()) {
      const auto weight = torch::cat({l->attention->q->weight, l->attention->k->weight, l->attention->v->weight});
      writer.Add(n.qkv, writer.transposed ? weight.t() : weight);
      writer.Add(n.qkv_bias, torch::cat({l->attention->q->bias, l->attention->k->bias, l->attention->v->bias}));
    }
    writer.AddLinear(n.q, n.q_bias, l->attention->q);
    writer.AddLinear(n.k, n.k_bias, l->attention->k);
    writer.AddLinear(n.v, n.v_bias, l->attention->v);
    writer.AddLinear(n.attention_out, n.attention_out_bias, l->attention->out);
    writer.Add(n.ffn_norm, l->ffn_norm->weight);
    if (!n.ffn_norm_bias.empty()) writer.Add(n.ffn_norm_bias, l->ffn_norm->bias);
    if (l->ffn->gate) writer.AddLinear(n.ffn_gate, n.ffn_gate_bias, l->ffn->gate);
    writer.AddLinear(n.ffn_up, n.ffn_up_bias, l->ffn->up);
    writer.AddLinear(n.ffn_down, n.ffn_down_bias, l->ffn->down);
  }
  WriteFileAtomically(folder / "config.json", ConfigJson(config).dump(1) + "\n");
  WriteSafetensors(folder / "model.safetensors", writer.views);
}

}  // namespace retro
