#include "model/decoder_config.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/gguf.h"
#include "model/json_file.h"

namespace retro {
namespace {

// Bounds that no real model comes near: what is beyond them is a damaged or hostile file.
constexpr int64_t kMaxVocab = int64_t{1} << 27;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 10'000;
constexpr int64_t kMaxHeads = int64_t{1} << 16;
constexpr int64_t kMaxContext = int64_t{1} << 28;

FeedForwardKind GeluKind(const JsonFields& fields, const char* field) {
  const std::string name = fields.TextOr(field, "gelu_new");
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return FeedForwardKind::kGeluTanh;
  if (name == "gelu") return FeedForwardKind::kGelu;
  fields.Refuse(field, "is \"" + name + "\"; retro knows gelu, gelu_new and gelu_pytorch_tanh");
}

void SetGpt2Kind(DecoderConfig& config) {
  config.family = "gpt2";
  config.norm = NormKind::kLayerNorm;
  config.position = PositionKind::kLearned;
  config.attention_bias = true;
  config.ffn_bias = true;
}

void SetLlamaKind(DecoderConfig& config) {
  config.family = "llama";
  config.norm = NormKind::kRmsNorm;
  config.position = PositionKind::kRotary;
  config.ffn = FeedForwardKind::kSwiGlu;
}

DecoderConfig Gpt2FromJson(const JsonFields& fields) {
  DecoderConfig config;
  SetGpt2Kind(config);
  config.vocab_size = fields.Count("vocab_size", kMaxVocab);
  config.hidden_dim = fields.Count("n_embd", kMaxWidth);
  config.num_layers = fields.Count("n_layer", kMaxLayers);
  config.num_heads = fields.Count("n_head", kMaxHeads);
  config.num_kv_heads = config.num_heads;
  config.head_dim = config.hidden_dim / config.num_heads;
  config.ffn_dim = fields.CountOr("n_inner", 4 * config.hidden_dim, 4 * kMaxWidth);
  config.context_len = fields.Count("n_positions", kMaxContext);
  config.norm_eps = fields.PositiveOr("layer_norm_epsilon", 1e-5);
  config.ffn = GeluKind(fields, "activation_function");
  config.tied_embeddings = fields.BoolOr("tie_word_embeddings", true);
  if (!fields.BoolOr("scale_attn_weights", true)) fields.Refuse("scale_attn_weights", "is false, must be true");
  for (const char* field : {"scale_attn_by_inverse_layer_idx", "add_cross_attention"}) {
    if (fields.BoolOr(field, false)) fields.Refuse(field, "is true, which retro does not compute");
  }
  return config;
}

// "rope_scaling", or "rope_parameters" in files of newer library versions (then with rope_theta inside).
void ReadRope(const JsonFields& fields, DecoderConfig& config) {
  const char* section = fields.Has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  config.rope_base = fields.PositiveOr("rope_theta", 10000.0);
  if (!fields.Has(section)) return;
  const JsonFields rope = fields.Object(section);
  config.rope_base = rope.PositiveOr("rope_theta", config.rope_base);
  const std::string type = rope.TextOr("rope_type", rope.TextOr("type", "default"));
  if (type == "default") return;
  if (type != "llama3") fields.Refuse(section, "has rope_type \"" + type + "\"; retro knows default and llama3");
  Llama3RopeScaling scaling;
  scaling.factor = rope.PositiveOr("factor", scaling.factor);
  scaling.low_freq_factor = rope.PositiveOr("low_freq_factor", scaling.low_freq_factor);
  scaling.high_freq_factor = rope.PositiveOr("high_freq_factor", scaling.high_freq_factor);
  scaling.original_context_len = rope.CountOr("original_max_position_embeddings", 8192, kMaxContext);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    fields.Refuse(section, "has a high_freq_factor that is not above low_freq_factor");
  }
  config.rope_scaling = scaling;
}

DecoderConfig LlamaFromJson(const JsonFields& fields) {
  DecoderConfig config;
  SetLlamaKind(config);
  config.vocab_size = fields.Count("vocab_size", kMaxVocab);
  config.hidden_dim = fields.Count("hidden_size", kMaxWidth);
  config.num_layers = fields.Count("num_hidden_layers", kMaxLayers);
  config.num_heads = fields.Count("num_attention_heads", kMaxHeads);
  config.num_kv_heads = fields.CountOr("num_key_value_heads", config.num_heads, kMaxHeads);
  config.head_dim = fields.CountOr("head_dim", config.hidden_dim / config.num_heads, kMaxWidth);
  config.ffn_dim = fields.Count("intermediate_size", 4 * kMaxWidth);
  config.context_len = fields.CountOr("max_position_embeddings", 2048, kMaxContext);
  config.norm_eps = fields.PositiveOr("rms_norm_eps", 1e-6);
  config.attention_bias = fields.BoolOr("attention_bias", false);
  config.ffn_bias = fields.BoolOr("mlp_bias", false);
  config.tied_embeddings = fields.BoolOr("tie_word_embeddings", false);
  ReadRope(fields, config);
  const std::string activation = fields.TextOr("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    fields.Refuse("hidden_act", "is \"" + activation + "\"; a llama model must have silu");
  }
  if (fields.PositiveOr("partial_rotary_factor", 1.0) != 1.0f) {
    fields.Refuse("partial_rotary_factor", "is not 1, which retro does not compute");
  }
  return config;
}

int64_t GgufCount(const GgufFile& file, const std::string& key, int64_t max, std::optional<int64_t> absent = {}) {
  const std::optional<int64_t> stored = file.FindInteger(key);
  if (!stored && absent) return *absent;
  const int64_t value = stored ? *stored : file.GetInteger(key);
  if (value < 1 || value > max) {
    Throw(ErrorCode::kCorruption, "{}: the metadata key {} is {}, must be from 1 to {}", file.Describe(), key, value,
          max);
  }
  return value;
}

float GgufPositive(const GgufFile& file, const std::string& key, std::optional<double> absent = {}) {
  const std::optional<double> stored = file.FindFloat(key);
  const double value = stored ? *stored : absent ? *absent : file.GetFloat(key);
  if (!std::isfinite(static_cast<float>(value)) || static_cast<float>(value) <= 0) {
    Throw(ErrorCode::kCorruption, "{}: the metadata key {} is {}, must be above 0", file.Describe(), key, value);
  }
  return static_cast<float>(value);
}

// What else a file of this architecture may ask for and retro does not compute.
void RefuseOtherLlamas(const GgufFile& file) {
  if (file.FindInteger("llama.expert_count").value_or(0) > 0) {
    Throw(ErrorCode::kInvalidArgument, "{}: llama.expert_count: mixtures of experts are not supported",
          file.Describe());
  }
  const std::string_view scaling = file.FindString("llama.rope.scaling.type").value_or("none");
  if (scaling != "none") {
    Throw(ErrorCode::kInvalidArgument, "{}: llama.rope.scaling.type \"{}\" is not supported", file.Describe(), scaling);
  }
}

void ReadLlamaHeads(const GgufFile& file, DecoderConfig& config) {
  config.num_kv_heads = GgufCount(file, "llama.attention.head_count_kv", kMaxHeads, config.num_heads);
  config.head_dim = GgufCount(file, "llama.attention.key_length", kMaxWidth, config.hidden_dim / config.num_heads);
  for (const char* key : {"llama.attention.value_length", "llama.rope.dimension_count"}) {
    const int64_t value = GgufCount(file, key, kMaxWidth, config.head_dim);
    if (value != config.head_dim) {
      Throw(ErrorCode::kInvalidArgument, "{}: {} is {}, retro needs it equal to the head's {}", file.Describe(), key,
            value, config.head_dim);
    }
  }
}

int64_t GgufVocabSize(const GgufFile& file) {
  const TensorView* embedding = file.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    Throw(ErrorCode::kCorruption, "{}: tensor token_embd.weight is missing or not a matrix", file.Describe());
  }
  if (embedding->shape[0] > kMaxVocab) {
    Throw(ErrorCode::kCorruption, "{}: token_embd.weight has {} rows", file.Describe(), embedding->shape[0]);
  }
  return embedding->shape[0];
}

// Of RetroConfig's encoder whose layers are the decoder's.
std::string SharedLayersProblem(const DecoderConfig& config) {
  const NeighbourEncoderConfig& encoder = config.retro->encoder;
  const bool same = encoder.num_heads == config.num_heads && encoder.num_kv_heads == config.num_kv_heads &&
                    encoder.head_dim == config.head_dim && encoder.ffn_dim == config.ffn_dim;
  if (!same) return "encoder.shared_layers needs the encoder's sizes to be the decoder's";
  if (config.retro->neighbour_len > config.context_len) {
    return fmt::format("neighbour_len {} is above the decoder's context of {}", config.retro->neighbour_len,
                       config.context_len);
  }
  return "";
}

}  // namespace

std::string DecoderConfig::Validate() const {
  const std::pair<const char*, int64_t> sizes[] = {{"vocab_size", vocab_size},     {"hidden_dim", hidden_dim},
                                                   {"num_layers", num_layers},     {"num_heads", num_heads},
                                                   {"num_kv_heads", num_kv_heads}, {"head_dim", head_dim},
                                                   {"ffn_dim", ffn_dim},           {"context_len", context_len}};
  for (const auto& [name, value] : sizes) {
    if (value < 1) return fmt::format("{} is {}, must be at least 1", name, value);
  }
  if (family != "gpt2" && family != "llama") return fmt::format("family \"{}\" is neither gpt2 nor llama", family);
  if (num_heads % num_kv_heads != 0) {
    return fmt::format("num_heads {} is not a multiple of num_kv_heads {}", num_heads, num_kv_heads);
  }
  if (family == "gpt2" && head_dim * num_heads != hidden_dim) {
    return fmt::format("hidden_dim {} is not a multiple of num_heads {}", hidden_dim, num_heads);
  }
  if (head_dim > kMaxWidth || head_dim * num_heads > 16 * kMaxWidth) {
    return fmt::format("{} heads of {} are too wide", num_heads, head_dim);
  }
  if (position == PositionKind::kRotary && head_dim % 2 != 0) {
    return fmt::format("head_dim {} is odd, rotary positions need pairs", head_dim);
  }
  if (!(norm_eps > 0)) return fmt::format("norm_eps {} is not above 0", norm_eps);
  if (!retro) return "";
  const std::string problem = retro->Validate(num_layers, hidden_dim);
  return problem.empty() && retro->encoder.shared_layers ? SharedLayersProblem(*this) : problem;
}

DecoderConfig DecoderConfigFromJson(const nlohmann::json& json, const std::filesystem::path& named) {
  const JsonFields fields(json, named);
  const std::string type = fields.TextOr("model_type", "");
  if (type != "gpt2" && type != "llama") {
    fields.Refuse("model_type", "is \"" + type + "\"; retro runs decoders of the types gpt2 and llama");
  }
  DecoderConfig config = type == "gpt2" ? Gpt2FromJson(fields) : LlamaFromJson(fields);
  if (fields.Has("retro")) config.retro = RetroConfigFromJson(fields.Object("retro"));
  const std::string problem = config.Validate();
  if (!problem.empty()) Throw(ErrorCode::kInvalidArgument, "{}: {}", named.string(), problem);
  return config;
}

DecoderConfig DecoderConfigFromGguf(const GgufFile& file) {
  const std::string architecture(file.GetString("general.architecture"));
  if (architecture != "llama" && architecture != "gpt2") {
    Throw(ErrorCode::kInvalidArgument, "{}: general.architecture is \"{}\"; retro runs llama and gpt2", file.Describe(),
          architecture);
  }
  DecoderConfig config;
  const auto key = [&architecture](const char* suffix) { return architecture + "." + suffix; };
  config.vocab_size = GgufVocabSize(file);
  config.hidden_dim = GgufCount(file, key("embedding_length"), kMaxWidth);
  config.num_layers = GgufCount(file, key("block_count"), kMaxLayers);
  config.num_heads = GgufCount(file, key("attention.head_count"), kMaxHeads);
  config.ffn_dim = GgufCount(file, key("feed_forward_length"), 4 * kMaxWidth);
  config.context_len = GgufCount(file, key("context_length"), kMaxContext);
  config.tied_embeddings = file.Find("output.weight") == nullptr;
  if (architecture == "llama") {
    SetLlamaKind(config);
    RefuseOtherLlamas(file);
    ReadLlamaHeads(file, config);
    config.rope_base = GgufPositive(file, key("rope.freq_base"), 10000.0);
    config.norm_eps = GgufPositive(file, key("attention.layer_norm_rms_epsilon"));
    config.attention_bias = file.Find("blk.0.attn_q.bias") != nullptr;
    config.ffn_bias = file.Find("blk.0.ffn_up.bias") != nullptr;
  } else {
    SetGpt2Kind(config);
    config.num_kv_heads = config.num_heads;
    config.head_dim = config.hidden_dim / config.num_heads;
    config.ffn = FeedForwardKind::kGeluTanh;
    config.norm_eps = GgufPositive(file, key("attention.layer_norm_epsilon"));
  }
  const std::string problem = config.Validate();
  if (!problem.empty()) Throw(ErrorCode::kCorruption, "{}: {}", file.Describe(), problem);
  return config;
}

}  // namespace retro
