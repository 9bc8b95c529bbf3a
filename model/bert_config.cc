#include "model/bert_config.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "model/json_file.h"

namespace retro {
namespace {

constexpr int64_t kMaxVocab = int64_t{1} << 27;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 10'000;
constexpr int64_t kMaxPositions = int64_t{1} << 24;

FeedForwardKind GeluKind(const JsonFields& fields) {
  const std::string name = fields.TextOr("hidden_act", "gelu");
  if (name == "gelu") return FeedForwardKind::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return FeedForwardKind::kGeluTanh;
  fields.Refuse("hidden_act", "is \"" + name + "\"; retro knows gelu, gelu_new and gelu_pytorch_tanh");
}

bool Exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// Exactly the mean of the token vectors. Older files have a flag for each mode, newer ones a name.
void CheckPooling(const std::filesystem::path& path) {
  const nlohmann::json json = ReadJsonFile(path);
  const JsonFields fields(json, path);
  bool mean = fields.Has("pooling_mode") && fields.TextOr("pooling_mode", "") == "mean";
  for (const auto& [name, value] : json.items()) {
    if (!name.starts_with("pooling_mode_") || !fields.BoolOr(name.c_str(), false)) continue;
    if (name != "pooling_mode_mean_tokens") fields.Refuse(name.c_str(), "is true; retro pools by the mean only");
    mean = true;
  }
  if (!mean) fields.Refuse("pooling_mode_mean_tokens", "is not true; retro pools by the mean only");
}

// What follows the last dot: the class, whose package has moved between versions.
std::string ModuleKind(const std::string& type) { return type.substr(type.rfind('.') + 1); }

// modules.json: the network, then mean pooling, then perhaps normalization.
void ReadModules(const std::filesystem::path& folder, BertConfig& config) {
  const std::filesystem::path path = folder / "modules.json";
  if (!Exists(path)) return;
  const nlohmann::json modules = ReadJsonFile(path);
  for (const nlohmann::json& module : modules) {
    const JsonFields fields(module, path);
    const std::string kind = ModuleKind(fields.TextOr("type", ""));
    const std::filesystem::path part(fields.TextOr("path", ""));
    if (part.is_absolute() || std::ranges::any_of(part, [](const auto& name) { return name == ".."; })) {
      fields.Refuse("path", "leads out of the model's folder");
    }
    if (kind == "Pooling") {
      CheckPooling(folder / part / "config.json");
    } else if (kind == "Normalize") {
      config.normalize = true;
    } else if (kind != "Transformer" || !part.empty()) {
      fields.Refuse("type", "is \"" + kind + "\" in \"" + part.string() +
                                "\"; retro knows Transformer in the folder itself, Pooling and Normalize");
    }
  }
}

// The first of the two files that gives a length. Tokenizers write a number beyond all bounds for "no limit".
int64_t ReadMaxLen(const std::filesystem::path& folder, int64_t max_positions) {
  const std::pair<const char*, const char*> places[] = {{"sentence_bert_config.json", "max_seq_length"},
                                                        {"tokenizer_config.json", "model_max_length"}};
  for (const auto& [name, field] : places) {
    const std::filesystem::path path = folder / name;
    if (!Exists(path)) continue;
    const nlohmann::json json = ReadJsonFile(path);
    const JsonFields fields(json, path);
    const nlohmann::json* value = fields.Find(field);
    if (value == nullptr) continue;
    const double length = value->is_number() ? value->get<double>() : 0;
    if (!(length >= 3)) fields.Refuse(field, "must be a number of at least 3 tokens");
    return length >= static_cast<double>(max_positions) ? max_positions : static_cast<int64_t>(length);
  }
  return max_positions;
}

}  // namespace

std::string BertConfig::Validate() const {
  const std::pair<const char*, int64_t> sizes[] = {{"vocab_size", vocab_size}, {"hidden_dim", hidden_dim},
                                                   {"num_layers", num_layers}, {"num_heads", num_heads},
                                                   {"ffn_dim", ffn_dim},       {"max_positions", max_positions},
                                                   {"max_len", max_len},       {"num_token_types", num_token_types}};
  for (const auto& [name, value] : sizes) {
    if (value < 1) return fmt::format("{} is {}, must be at least 1", name, value);
  }
  if (hidden_dim % num_heads != 0) {
    return fmt::format("hidden_dim {} is not a multiple of num_heads {}", hidden_dim, num_heads);
  }
  if (max_len > max_positions) return fmt::format("max_len {} is above max_positions {}", max_len, max_positions);
  if (!(norm_eps > 0)) return fmt::format("norm_eps {} is not above 0", norm_eps);
  if (ffn == FeedForwardKind::kSwiGlu) return "a BERT encoder has no SwiGLU";
  return "";
}

BertConfig BertConfigFromJson(const nlohmann::json& json, const std::filesystem::path& named) {
  const JsonFields fields(json, named);
  const std::string type = fields.TextOr("model_type", "");
  if (type != "bert") fields.Refuse("model_type", "is \"" + type + "\"; retro runs encoders of the type bert");
  BertConfig config;
  config.vocab_size = fields.Count("vocab_size", kMaxVocab);
  config.hidden_dim = fields.Count("hidden_size", kMaxWidth);
  config.num_layers = fields.Count("num_hidden_layers", kMaxLayers);
  config.num_heads = fields.Count("num_attention_heads", kMaxWidth);
  config.ffn_dim = fields.Count("intermediate_size", 4 * kMaxWidth);
  config.max_positions = fields.Count("max_position_embeddings", kMaxPositions);
  config.max_len = config.max_positions;
  config.num_token_types = fields.CountOr("type_vocab_size", 2, kMaxVocab);
  config.norm_eps = fields.PositiveOr("layer_norm_eps", 1e-12);
  config.ffn = GeluKind(fields);
  const std::string positions = fields.TextOr("position_embedding_type", "absolute");
  if (positions != "absolute") fields.Refuse("position_embedding_type", "is \"" + positions + "\", must be absolute");
  const std::string problem = config.Validate();
  if (!problem.empty()) Throw(ErrorCode::kInvalidArgument, "{}: {}", named.string(), problem);
  return config;
}

BertConfig LoadBertConfig(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  BertConfig config = BertConfigFromJson(ReadJsonFile(path), path);
  ReadModules(folder, config);
  config.max_len = ReadMaxLen(folder, config.max_positions);
  return config;
}

}  // namespace retro
