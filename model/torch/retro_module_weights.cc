#include "model/torch/retro_module_weights.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/error.h"

namespace retro {
namespace {

// "encoder.layer_0.memory_norm.weight" → "retro.encoder.layers.0.cross.memory_norm.weight"
std::string FileName(std::string name) {
  const auto replace = [&name](std::string_view from, std::string_view to) {
    if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  };
  replace("layer_", "layers.");
  replace("cca_", "cca.");
  replace("memory_norm", "cross.memory_norm");
  return "retro." + name;
}

bool EndsBranch(std::string_view name) { return name.ends_with("out.weight") || name.ends_with("down.weight"); }

void InitializeParameters(torch::nn::Module& module, int64_t num_layers) {
  torch::NoGradGuard no_grad;
  const double ending = 0.02 / std::sqrt(2.0 * static_cast<double>(num_layers));
  for (auto& item : module.named_parameters()) {
    const std::string& name = item.key();
    torch::Tensor& parameter = item.value();
    if (parameter.dim() == 2 && !name.ends_with("position_bias")) {
      torch::nn::init::normal_(parameter, 0, EndsBranch(name) ? ending : 0.02);
    } else {
      parameter.fill_(name.ends_with("norm.weight") ? 1 : 0);
    }
  }
}

void CopyLinear(const Projection& from, torch::nn::Linear& to) {
  to->weight.copy_(from->weight);
  if (to->bias.defined()) to->bias.copy_(from->bias);
}

void CopyNorm(const Norm& from, Norm& to) {
  to->weight.copy_(from->weight);
  if (to->bias.defined()) to->bias.copy_(from->bias);
}

void CopyModule(const torch::nn::Module& from, torch::nn::Module& to) {
  auto target = to.named_parameters();
  for (const auto& item : from.named_parameters()) target[item.key()].copy_(item.value());
}

// The attention to other rows begins as the attention to the own ones, without a say for distances.
void CopyAttention(const SelfAttention& from, RelativeAttention& to) {
  CopyLinear(from->q, to->q);
  CopyLinear(from->k, to->k);
  CopyLinear(from->v, to->v);
  CopyLinear(from->out, to->out);
  to->position->weight.zero_();
  to->position_bias.zero_();
}

void SetZero(torch::nn::Linear& linear) {
  linear->weight.zero_();
  if (linear->bias.defined()) linear->bias.zero_();
}

void InitializeEncoder(DecoderModule& base, NeighbourEncoder& encoder) {
  if (encoder->token_embedding) encoder->token_embedding->weight.copy_(base->token_embedding->weight);
  if (encoder->position_embedding) {
    const int64_t len = encoder->position_embedding->weight.size(0);
    encoder->position_embedding->weight.copy_(base->position_embedding->weight.slice(0, 0, len));
  }
  for (size_t i = 0; i < encoder->layers.size(); ++i) {
    NeighbourEncoderLayer& layer = encoder->layers[i];
    const DecoderLayer& own = base->layers[i];
    CopyNorm(own->attention_norm, layer->attention_norm);
    CopyModule(*own->attention, *layer->attention);
    CopyNorm(own->ffn_norm, layer->ffn_norm);
    CopyModule(*own->ffn, *layer->ffn);
    if (!layer->cross) continue;
    CopyNorm(own->attention_norm, layer->cross_norm);
    CopyNorm(own->attention_norm, layer->memory_norm);
    CopyAttention(own->attention, layer->cross);
    SetZero(layer->cross->out);  // the encoder begins as the base's first layers
  }
}

void CopyFromBase(const RetroConfig& retro, RetroModule& module) {
  InitializeEncoder(module->decoder, module->encoder);
  // Keys and values are copies of those of a layer that reads its input through this norm.
  CopyNorm(module->decoder->layers[retro.cca_layers.front()]->attention_norm, module->encoder->final_norm);
  for (size_t i = 0; i < module->cca.size(); ++i) {
    const DecoderLayer& layer = module->decoder->layers[retro.cca_layers[i]];
    CopyNorm(layer->attention_norm, module->cca[i]->norm);
    CopyAttention(layer->attention, module->cca[i]->attention);
  }
}

// What is not the base decoder's.
void InitializeNewWeights(RetroModule& module) {
  InitializeParameters(*module->encoder, std::max<int64_t>(1, std::ssize(module->encoder->layers)));
  for (ChunkedCrossAttention& cca : module->cca) {
    InitializeParameters(*cca, static_cast<int64_t>(module->decoder->layers.size()));
  }
}

void CheckWidths(const DecoderConfig& base, const RetroConfig& retro) {
  const NeighbourEncoderConfig& encoder = retro.encoder;
  const std::pair<const char*, std::pair<int64_t, int64_t>> widths[] = {
      {"hidden_dim", {encoder.hidden_dim, base.hidden_dim}},
      {"num_heads", {encoder.num_heads, base.num_heads}},
      {"num_kv_heads", {encoder.num_kv_heads, base.num_kv_heads}},
      {"head_dim", {encoder.head_dim, base.head_dim}},
      {"ffn_dim", {encoder.ffn_dim, base.ffn_dim}}};
  for (const auto& [name, values] : widths) {
    if (values.first != values.second) {
      Throw(ErrorCode::kInvalidArgument,
            "the encoder's {} is {}: to begin as the base's first layers it must be the base's {}; or give "
            "--retrofit-init random",
            name, values.first, values.second);
    }
  }
  if (encoder.num_layers > base.num_layers) {
    Throw(ErrorCode::kInvalidArgument, "the encoder has {} layers, the base only {} to begin from", encoder.num_layers,
          base.num_layers);
  }
  if (base.position == PositionKind::kLearned && retro.neighbour_len > base.context_len) {
    Throw(ErrorCode::kInvalidArgument, "neighbour_len is {}, the base has {} learned positions", retro.neighbour_len,
          base.context_len);
  }
}

}  // namespace

NamedTensors RetroTensors(const RetroModule& module) {
  NamedTensors tensors;
  for (const auto& item : module->named_parameters()) {
    if (!item.key().starts_with("decoder.")) tensors.emplace_back(FileName(item.key()), item.value());
  }
  return tensors;
}

RetroModule LoadRetroModule(const DecoderSource& source) {
  RetroModule module(ModuleConfig(source), ModuleRopeFrequencies(source));
  LoadDecoderWeights(source, module->decoder);
  torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : RetroTensors(module)) {
    parameter.copy_(LoadTensor(*source.tensors, name, parameter.sizes()));
  }
  return module;
}

void InitializeWeights(DecoderModule& module) {
  InitializeParameters(*module, static_cast<int64_t>(module->layers.size()));
}

void InitializeWeights(RetroModule& module) {
  InitializeParameters(*module->decoder, static_cast<int64_t>(module->decoder->layers.size()));
  InitializeNewWeights(module);
}

RetroModule RetrofitModule(const DecoderSource& base, const RetroConfig& retro, RetrofitInit init, double gate) {
  if (init == RetrofitInit::kBase) CheckWidths(base.config, retro);
  DecoderConfig config = ModuleConfig(base);
  config.retro = retro;
  const std::string problem = config.Validate();
  if (!problem.empty()) Throw(ErrorCode::kInvalidArgument, "{}: {}", base.path.string(), problem);
  RetroModule module(config, ModuleRopeFrequencies(base));
  LoadDecoderWeights(base, module->decoder);
  torch::NoGradGuard no_grad;
  if (init == RetrofitInit::kRandom) {
    InitializeNewWeights(module);
  } else {
    CopyFromBase(retro, module);
  }
  for (ChunkedCrossAttention& cca : module->cca) {
    if (retro.gated) {
      cca->gate.fill_(gate);
    } else {
      SetZero(cca->attention->out);
    }
  }
  return module;
}

void CopyModel(const DecoderSource& source, const std::filesystem::path& folder, DataType type) {
  if (!source.config.retro) return SaveDecoder(folder, ModuleConfig(source), LoadDecoderModule(source), {}, type);
  const RetroModule module = LoadRetroModule(source);
  SaveDecoder(folder, ModuleConfig(source), module->decoder, RetroTensors(module), type);
}

}  // namespace retro
