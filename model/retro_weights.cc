#include "model/retro_weights.h"

#include <cmath>

#include "model/rope_frequencies.h"

namespace retro {
namespace {

struct CrossAttentionShape {
  int64_t query_width, memory_width;
  int64_t num_heads, num_kv_heads, head_dim;
};

CrossAttentionWeights LoadCrossAttention(WeightLoader& loader, const CrossAttentionNames& names,
                                         const CrossAttentionShape& shape, const DistanceRange& range) {
  CrossAttentionWeights weights;
  weights.num_heads = shape.num_heads;
  weights.num_kv_heads = shape.num_kv_heads;
  weights.head_dim = shape.head_dim;
  const int64_t q_dim = weights.q_dim(), kv_dim = weights.kv_dim() / 2;
  weights.q = loader.Linear({{names.q, names.q_bias, q_dim}}, shape.query_width, false);
  weights.kv =
      loader.Linear({{names.k, names.k_bias, kv_dim}, {names.v, names.v_bias, kv_dim}}, shape.memory_width, false);
  weights.out = loader.Linear({{names.out, names.out_bias, shape.query_width}}, q_dim, false);
  const TensorView* position[] = {&loader.Tensor(names.position, {q_dim, shape.query_width})};
  const PackedMatrix matrix(position, false, WeightPrecision::kAsStored, loader.pool());
  const auto bias = loader.Floats(names.position_bias, {shape.num_heads, shape.head_dim});
  weights.positions = RelativePositions(range, matrix, bias, shape.head_dim, loader.pool());
  loader.Count(q_dim * shape.query_width, weights.positions.bytes());
  return weights;
}

// Distances of a neighbour's token and the chunk's: i' - i.
DistanceRange EncoderDistances(const RetroConfig& retro) {
  return {.first_distance = retro.neighbour_len - 1, .num_queries = retro.neighbour_len, .num_keys = retro.chunk_len};
}

// Distances of an attending token and the neighbours': i - i' + m - 1.
DistanceRange ChunkDistances(const RetroConfig& retro) {
  return {.first_distance = 2 * retro.chunk_len - 2, .num_queries = retro.chunk_len, .num_keys = retro.neighbour_len};
}

NeighbourEncoderLayerWeights LoadEncoderLayer(WeightLoader& loader, const NeighbourEncoderLayerNames& names) {
  const DecoderConfig& config = loader.source().config;
  const NeighbourEncoderConfig& encoder = config.retro->encoder;
  NeighbourEncoderLayerWeights weights;
  weights.layer = loader.Layer(
      names.layer, {encoder.hidden_dim, encoder.num_heads, encoder.num_kv_heads, encoder.head_dim, encoder.ffn_dim},
      false);
  if (names.cross.q.empty()) return weights;
  auto& cross = weights.cross.emplace();
  cross.norm = loader.Norm(names.cross_norm, names.cross_norm_bias, encoder.hidden_dim);
  cross.memory_norm = loader.Norm(names.memory_norm, names.memory_norm_bias, config.hidden_dim);
  cross.attention = LoadCrossAttention(
      loader, names.cross,
      {encoder.hidden_dim, config.hidden_dim, encoder.num_heads, encoder.num_kv_heads, encoder.head_dim},
      EncoderDistances(*config.retro));
  return weights;
}

void ShareLayers(const DecoderSource& source, const SharedLayers& decoder, NeighbourEncoderWeights& weights) {
  const RetroConfig& retro = *source.config.retro;
  const auto floats = [](std::span<const float> from) { return std::vector<float>(from.begin(), from.end()); };
  weights.shared_layers = decoder.layers.first(retro.encoder.num_layers);
  weights.rope_frequencies = floats(decoder.rope_frequencies);
  if (source.rope_style == RopeStyle::kInterleaved) weights.rotary_pairing = RotaryPairing::kNeighbours;
  if (decoder.position_embedding.empty()) return;
  weights.position_embedding = floats(decoder.position_embedding.first(retro.neighbour_len * retro.encoder.hidden_dim));
}

void LoadOwnLayers(WeightLoader& loader, const RetroWeightNames& names, NeighbourEncoderWeights& weights) {
  const DecoderConfig& config = loader.source().config;
  const NeighbourEncoderConfig& encoder = config.retro->encoder;
  if (names.position_embedding.empty()) {
    weights.rope_frequencies = RopeFrequencies(config, encoder.head_dim);
  } else {
    weights.position_embedding =
        loader.Floats(names.position_embedding, {config.retro->neighbour_len, encoder.hidden_dim});
  }
  for (const auto& layer : names.encoder_layers) weights.layers.push_back(LoadEncoderLayer(loader, layer));
}

NeighbourEncoderWeights LoadEncoder(WeightLoader& loader, const RetroWeightNames& names, const SharedLayers& decoder) {
  const DecoderConfig& config = loader.source().config;
  const RetroConfig& retro = *config.retro;
  NeighbourEncoderWeights weights;
  const bool shared = names.token_embedding.empty();
  weights.token_embedding = loader.Tensor(shared ? loader.source().names.token_embedding : names.token_embedding,
                                          {config.vocab_size, retro.encoder.hidden_dim});
  if (!shared) loader.Count(weights.token_embedding.num_elements(), 0);
  if (retro.encoder.shared_layers) {
    ShareLayers(loader.source(), decoder, weights);
  } else {
    LoadOwnLayers(loader, names, weights);
  }
  weights.final_norm = loader.Norm(names.encoder_norm, names.encoder_norm_bias, retro.encoder.hidden_dim);
  return weights;
}

}  // namespace

RetroWeights LoadRetroWeights(WeightLoader& loader, const SharedLayers& decoder) {
  const DecoderConfig& config = loader.source().config;
  const RetroWeightNames names = RetroNames(config);
  RetroWeights weights;
  weights.encoder = LoadEncoder(loader, names, decoder);
  for (const ChunkedAttentionNames& layer : names.cca) {
    ChunkedAttentionWeights& cca = weights.cca.emplace_back();
    cca.norm = loader.Norm(layer.norm, layer.norm_bias, config.hidden_dim);
    cca.attention = LoadCrossAttention(
        loader, layer.attention,
        {config.hidden_dim, config.retro->encoder.hidden_dim, config.num_heads, config.num_kv_heads, config.head_dim},
        ChunkDistances(*config.retro));
    if (!layer.gate.empty()) cca.scale = std::tanh(loader.Floats(layer.gate, {1}).front());
  }
  return weights;
}

}  // namespace retro
