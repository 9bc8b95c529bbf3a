#include "model/retro_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "model/json_file.h"

namespace retro {
namespace {

// Beyond these a file is damaged or hostile.
constexpr int64_t kMaxLen = int64_t{1} << 20;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 10'000;

std::vector<int64_t> Layers(const JsonFields& fields, const char* field) {
  const nlohmann::json* found = fields.Find(field);
  if (found == nullptr || !found->is_array()) fields.Refuse(field, "must be a list of layer numbers");
  std::vector<int64_t> layers;
  for (const nlohmann::json& layer : *found) {
    if (!layer.is_number_integer()) fields.Refuse(field, "must be a list of layer numbers");
    layers.push_back(layer.get<int64_t>());
  }
  return layers;
}

std::string LayersProblem(const char* name, const std::vector<int64_t>& layers, int64_t num_layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] < 0 || layers[i] >= num_layers) {
      return fmt::format("{} names layer {}, the layers are 0 to {}", name, layers[i], num_layers - 1);
    }
    if (i > 0 && layers[i] <= layers[i - 1]) return fmt::format("{} is not in ascending order", name);
  }
  return "";
}

NeighbourEncoderConfig EncoderFromJson(const JsonFields& fields) {
  NeighbourEncoderConfig encoder;
  encoder.num_layers = fields.Count("num_layers", kMaxLayers);
  encoder.hidden_dim = fields.Count("hidden_dim", kMaxWidth);
  encoder.num_heads = fields.Count("num_heads", kMaxWidth);
  encoder.num_kv_heads = fields.CountOr("num_kv_heads", encoder.num_heads, kMaxWidth);
  encoder.head_dim = fields.CountOr("head_dim", encoder.hidden_dim / encoder.num_heads, kMaxWidth);
  encoder.ffn_dim = fields.Count("ffn_dim", 4 * kMaxWidth);
  if (fields.Has("cross_layers")) encoder.cross_layers = Layers(fields, "cross_layers");
  encoder.shared_embedding = fields.BoolOr("shared_embedding", false);
  encoder.shared_layers = fields.BoolOr("shared_layers", false);
  return encoder;
}

std::string SharedLayersProblem(const NeighbourEncoderConfig& encoder, int64_t decoder_layers) {
  if (encoder.num_layers > decoder_layers) {
    return fmt::format("encoder.num_layers is {}, the decoder has {} layers to share", encoder.num_layers,
                       decoder_layers);
  }
  if (!encoder.shared_embedding) return "encoder.shared_layers needs encoder.shared_embedding";
  if (!encoder.cross_layers.empty()) return "encoder.cross_layers must be empty with encoder.shared_layers";
  return "";
}

std::string EncoderProblem(const NeighbourEncoderConfig& encoder, int64_t decoder_layers, int64_t decoder_dim) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"num_layers", encoder.num_layers},     {"hidden_dim", encoder.hidden_dim}, {"num_heads", encoder.num_heads},
      {"num_kv_heads", encoder.num_kv_heads}, {"head_dim", encoder.head_dim},     {"ffn_dim", encoder.ffn_dim}};
  for (const auto& [name, value] : sizes) {
    if (value < 1) return fmt::format("encoder.{} is {}, must be at least 1", name, value);
  }
  if (encoder.num_heads % encoder.num_kv_heads != 0) {
    return fmt::format("encoder.num_heads {} is not a multiple of encoder.num_kv_heads {}", encoder.num_heads,
                       encoder.num_kv_heads);
  }
  if (encoder.hidden_dim % 2 != 0) return fmt::format("encoder.hidden_dim {} is odd", encoder.hidden_dim);
  if (encoder.head_dim % 2 != 0) return fmt::format("encoder.head_dim {} is odd", encoder.head_dim);
  if (encoder.shared_embedding && encoder.hidden_dim != decoder_dim) {
    return fmt::format("encoder.hidden_dim {} is not the decoder's {}, which a shared embedding needs",
                       encoder.hidden_dim, decoder_dim);
  }
  if (encoder.shared_layers) return SharedLayersProblem(encoder, decoder_layers);
  return LayersProblem("encoder.cross_layers", encoder.cross_layers, encoder.num_layers);
}

}  // namespace

std::string RetroConfig::Validate(int64_t num_layers, int64_t hidden_dim) const {
  if (chunk_len < 1) return fmt::format("chunk_len is {}, must be at least 1", chunk_len);
  if (neighbour_len < 1) return fmt::format("neighbour_len is {}, must be at least 1", neighbour_len);
  if (num_neighbours < 1) return fmt::format("num_neighbours is {}, must be at least 1", num_neighbours);
  if (hidden_dim % 2 != 0) return fmt::format("hidden_dim {} is odd", hidden_dim);
  if (cca_layers.empty()) return "cca_layers is empty: name at least one layer";
  const std::string problem = LayersProblem("cca_layers", cca_layers, num_layers);
  return problem.empty() ? EncoderProblem(encoder, num_layers, hidden_dim) : problem;
}

std::vector<int64_t> DefaultCcaLayers(int64_t num_layers) {
  if (num_layers < 6) return {num_layers / 2};
  std::vector<int64_t> layers;
  for (int64_t layer = num_layers < 24 ? 5 : 8; layer < num_layers; layer += 3) layers.push_back(layer);
  return layers;
}

RetroConfig RetroConfigFromJson(const JsonFields& section) {
  RetroConfig config;
  config.chunk_len = section.Count("chunk_len", kMaxLen);
  config.neighbour_len = section.CountOr("neighbour_len", 2 * config.chunk_len, kMaxLen);
  config.num_neighbours = section.CountOr("num_neighbours", config.num_neighbours, kMaxLen);
  config.cca_layers = Layers(section, "cca_layers");
  config.gated = section.BoolOr("gated", false);
  config.encoder = EncoderFromJson(section.Object("encoder"));
  config.embedder = section.TextOr("embedder", "");
  return config;
}

nlohmann::json ToJson(const RetroConfig& config) {
  const NeighbourEncoderConfig& encoder = config.encoder;
  return {{"chunk_len", config.chunk_len},
          {"neighbour_len", config.neighbour_len},
          {"num_neighbours", config.num_neighbours},
          {"cca_layers", config.cca_layers},
          {"gated", config.gated},
          {"embedder", config.embedder},
          {"encoder",
           {{"num_layers", encoder.num_layers},
            {"hidden_dim", encoder.hidden_dim},
            {"num_heads", encoder.num_heads},
            {"num_kv_heads", encoder.num_kv_heads},
            {"head_dim", encoder.head_dim},
            {"ffn_dim", encoder.ffn_dim},
            {"cross_layers", encoder.cross_layers},
            {"shared_embedding", encoder.shared_embedding},
            {"shared_layers", encoder.shared_layers}}}};
}

}  // namespace retro
