#include "model/lora_adapter.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "model/json_file.h"
#include "model/safetensors.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Role = std::string DecoderLayerNames::*;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr int64_t kMaxRank = 65536;
constexpr Role kRoles[] = {&DecoderLayerNames::q,
                           &DecoderLayerNames::k,
                           &DecoderLayerNames::v,
                           &DecoderLayerNames::qkv,
                           &DecoderLayerNames::attention_out,
                           &DecoderLayerNames::ffn_gate,
                           &DecoderLayerNames::ffn_up,
                           &DecoderLayerNames::ffn_down};

std::string_view WithoutEnding(std::string_view name) { return name.substr(0, name.rfind(".weight")); }
std::string_view LastPart(std::string_view path) { return path.substr(path.rfind('.') + 1); }

LoraTarget MakeTarget(const DecoderConfig& config, int64_t layer, Role role, std::string_view weight) {
  const int64_t q_dim = config.num_heads * config.head_dim, kv_dim = config.num_kv_heads * config.head_dim;
  LoraTarget target{layer, role, std::string(WithoutEnding(weight)), config.hidden_dim, config.hidden_dim};
  if (role == &DecoderLayerNames::q) target.num_outputs = q_dim;
  if (role == &DecoderLayerNames::k || role == &DecoderLayerNames::v) target.num_outputs = kv_dim;
  if (role == &DecoderLayerNames::qkv) target.num_outputs = q_dim + 2 * kv_dim;
  if (role == &DecoderLayerNames::attention_out) target.num_inputs = q_dim;
  if (role == &DecoderLayerNames::ffn_gate || role == &DecoderLayerNames::ffn_up) target.num_outputs = config.ffn_dim;
  if (role == &DecoderLayerNames::ffn_down) target.num_inputs = config.ffn_dim;
  return target;
}

std::vector<LoraTarget> AllTargets(const DecoderConfig& config) {
  const DecoderWeightNames names = UsualDecoderNames(config);
  std::vector<LoraTarget> targets;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (const Role role : kRoles) {
      const std::string& weight = names.layers[layer].*role;
      if (!weight.empty()) targets.push_back(MakeTarget(config, layer, role, weight));
    }
  }
  return targets;
}

std::set<std::string> Projections(const std::vector<LoraTarget>& targets) {
  std::set<std::string> names;
  for (const LoraTarget& target : targets) names.insert(target.projection());
  return names;
}

void CheckNames(const DecoderConfig& decoder, const LoraConfig& config, const std::set<std::string>& known) {
  for (const std::string& name : config.targets) {
    if (known.contains(name)) continue;
    Throw(ErrorCode::kInvalidArgument, "the adapter's target \"{}\" is none of a {} decoder's: {}", name,
          decoder.family, fmt::join(known, ", "));
  }
  for (const int64_t layer : config.layers) {
    if (layer >= 0 && layer < decoder.num_layers) continue;
    Throw(ErrorCode::kInvalidArgument, "the adapter's layer {} is not there: the decoder has layers 0 to {}", layer,
          decoder.num_layers - 1);
  }
}

bool Wanted(const auto& list, const auto& value) {
  return list.empty() || std::ranges::find(list, value) != list.end();
}

// Fields that change what the adapter computes, at the values that they must have.
void RefuseOtherKinds(const json& config, const JsonFields& fields) {
  if (fields.TextOr("peft_type", "") != "LORA") fields.Refuse("peft_type", "must be LORA");
  if (fields.TextOr("bias", "none") != "none") fields.Refuse("bias", "must be none");
  for (const char* field : {"use_dora", "lora_bias", "use_qalora"}) {
    if (fields.BoolOr(field, false)) fields.Refuse(field, "is not supported");
  }
  for (const char* field :
       {"modules_to_save", "rank_pattern", "alpha_pattern", "target_parameters", "layer_replication",
        "trainable_token_indices", "megatron_config", "use_bdlora", "kasa_config", "velora_config", "monteclora_config",
        "arrow_config", "alora_invocation_tokens"}) {
    const auto value = config.find(field);
    if (value != config.end() && *value != json(false) && !value->empty()) fields.Refuse(field, "is not supported");
  }
}

std::vector<std::string> TargetsIn(const JsonFields& fields) {
  const json* value = fields.Find("target_modules");
  if (value == nullptr || value->is_string()) return {};  // a pattern: which they are, the tensors tell
  return value->get<std::vector<std::string>>();
}

std::vector<int64_t> LayersIn(const JsonFields& fields) {
  const json* value = fields.Find("layers_to_transform");
  if (value == nullptr) return {};
  if (value->is_number_integer()) return {value->get<int64_t>()};
  return value->get<std::vector<int64_t>>();
}

// The module and which matrix of "base_model.model.MODULE.lora_A.weight".
struct TensorOf {
  std::string module;
  char matrix;
};
std::optional<TensorOf> ParseTensorName(std::string_view name) {
  constexpr std::string_view kBegin = "base_model.model.", kEnd = ".lora_A.weight";
  if (!name.starts_with(kBegin) || name.size() < kBegin.size() + kEnd.size()) return std::nullopt;
  const std::string_view end = name.substr(name.size() - kEnd.size());
  if (end != ".lora_A.weight" && end != ".lora_B.weight") return std::nullopt;
  return TensorOf{std::string(name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size())), end[6]};
}

// Rows of q or k as a file has them that turns neighbours: i and i + D / 2 of a head lie at 2i and 2i + 1.
std::vector<float> InterleaveHeads(const std::vector<float>& rows, int64_t head_dim, int64_t rank) {
  std::vector<float> result(rows.size());
  const int64_t num_rows = std::ssize(rows) / rank, half = head_dim / 2;
  for (int64_t row = 0; row < num_rows; ++row) {
    const int64_t head = row / head_dim, i = row % head_dim;
    const int64_t to = head * head_dim + (i < half ? 2 * i : 2 * (i - half) + 1);
    std::copy_n(rows.data() + row * rank, rank, result.data() + to * rank);
  }
  return result;
}

bool IsTurned(const DecoderSource& base, Role role) {
  return base.rope_style == RopeStyle::kInterleaved && base.config.position == PositionKind::kRotary &&
         (role == &DecoderLayerNames::q || role == &DecoderLayerNames::k);
}

LowRankUpdate ReadUpdate(const SafetensorsFile& file, const LoraTarget& target, const LoraConfig& config,
                         const DecoderSource& base) {
  LowRankUpdate update{config.rank, target.num_outputs, target.num_inputs, {}, {}};
  const int64_t a_shape[] = {config.rank, target.num_inputs}, b_shape[] = {target.num_outputs, config.rank};
  update.a = Dequantize(file.Get(target.TensorName('A'), a_shape));
  update.b = Dequantize(file.Get(target.TensorName('B'), b_shape));
  const auto scale = static_cast<float>(config.scale());
  for (float& value : update.b) value *= scale;
  if (IsTurned(base, target.role)) update.b = InterleaveHeads(update.b, base.config.head_dim, config.rank);
  return update;
}

}  // namespace

double LoraConfig::scale() const {
  return alpha / (rank_stabilized ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
}

std::string LoraTarget::projection() const { return std::string(LastPart(module)); }

std::string LoraTarget::TensorName(char ab) const {
  return fmt::format("base_model.model.{}.lora_{}.weight", module, ab);
}

std::vector<LoraTarget> LoraTargets(const DecoderConfig& decoder, const LoraConfig& config) {
  std::vector<LoraTarget> targets = AllTargets(decoder);
  CheckNames(decoder, config, Projections(targets));
  std::erase_if(targets, [&](const LoraTarget& target) {
    return !Wanted(config.targets, target.projection()) || !Wanted(config.layers, target.layer);
  });
  return targets;
}

LoraConfig ReadLoraConfig(const fs::path& folder) {
  const fs::path path = folder / kConfig;
  const json read = ReadJsonFile(path);
  const JsonFields fields(read, path);
  LoraConfig config;
  RefuseOtherKinds(read, fields);
  config.rank = fields.Count("r", kMaxRank);
  config.alpha = fields.PositiveOr("lora_alpha", 8);
  config.rank_stabilized = fields.BoolOr("use_rslora", false);
  config.base = fields.TextOr("base_model_name_or_path", "");
  try {
    config.dropout = read.value("lora_dropout", 0.0);
    config.targets = TargetsIn(fields);
    config.layers = LayersIn(fields);
  } catch (const json::exception& error) {
    Throw(ErrorCode::kInvalidArgument, "{}: {}", path.string(), error.what());
  }
  return config;
}

json PeftJson(const LoraConfig& config, const DecoderConfig& decoder) {
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", config.base},
          {"r", config.rank},
          {"lora_alpha", config.alpha},
          {"lora_dropout", config.dropout},
          {"use_rslora", config.rank_stabilized},
          {"target_modules", Projections(LoraTargets(decoder, config))},
          {"layers_to_transform", config.layers.empty() ? json() : json(config.layers)},
          {"bias", "none"},
          {"fan_in_fan_out", decoder.family == "gpt2"},
          {"init_lora_weights", true},
          {"inference_mode", true}};
}

LoraAdapter::LoraAdapter(const fs::path& folder, const DecoderSource& base) : config_(ReadLoraConfig(folder)) {
  const SafetensorsFile file(folder / kWeights);
  std::map<std::string, LoraTarget> known;
  for (LoraTarget& target : AllTargets(base.config)) known.emplace(target.module, std::move(target));
  for (const std::string& name : file.Names()) {
    const std::optional<TensorOf> tensor = ParseTensorName(name);
    const auto found = tensor ? known.find(tensor->module) : known.end();
    if (found == known.end()) {
      Throw(ErrorCode::kInvalidArgument, "{}: the tensor {} adapts nothing that {} has", file.Describe(), name,
            base.path.string());
    }
    const LoraTarget& target = found->second;
    const std::string& weight = base.names.layers[target.layer].*target.role;
    if (!updates_.contains(weight)) updates_.emplace(weight, ReadUpdate(file, target, config_, base));
  }
  if (updates_.empty()) Throw(ErrorCode::kCorruption, "{}: has no tensor", file.Describe());
}

const LowRankUpdate* LoraAdapter::Find(std::string_view weight) const {
  const auto found = updates_.find(weight);
  return found == updates_.end() ? nullptr : &found->second;
}

}  // namespace retro
