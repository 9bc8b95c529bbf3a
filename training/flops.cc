#include "training/flops.h"

#include <algorithm>

namespace retro {
namespace {

// Multiplications a token.
struct Work {
  double weights = 0;  // with matrices that can learn
  double scores = 0;   // of activations with activations
};

// Operations of forward and backward.
double Operations(const Work& work, bool gradient_flows, bool learns) {
  const double passes = 1.0 + (gradient_flows ? 1 : 0);
  return 2 * (work.weights * (passes + (learns ? 1 : 0)) + work.scores * (gradient_flows ? 3 : 1));
}

double FfnMatrices(FeedForwardKind kind) { return kind == FeedForwardKind::kSwiGlu ? 3 : 2; }

Work DecoderLayer(const DecoderConfig& config, double seq_len) {
  const double q_dim = static_cast<double>(config.num_heads * config.head_dim);
  const double kv_dim = static_cast<double>(config.num_kv_heads * config.head_dim);
  const double width = static_cast<double>(config.hidden_dim), ffn = static_cast<double>(config.ffn_dim);
  return {width * (2 * q_dim + 2 * kv_dim) + FfnMatrices(config.ffn) * width * ffn, q_dim * (seq_len + 1)};
}

// Neighbour tokens for each token of the sequence.
double NeighbourTokens(const RetroConfig& retro) {
  return static_cast<double>(retro.num_neighbours * retro.neighbour_len) / static_cast<double>(retro.chunk_len);
}

Work CrossAttention(const DecoderConfig& config) {
  const RetroConfig& retro = *config.retro;
  const double q_dim = static_cast<double>(config.num_heads * config.head_dim);
  const double kv_dim = static_cast<double>(config.num_kv_heads * config.head_dim);
  return {2 * static_cast<double>(config.hidden_dim) * q_dim +
              NeighbourTokens(retro) * 2 * static_cast<double>(retro.encoder.hidden_dim) * kv_dim,
          2 * q_dim * static_cast<double>(retro.num_neighbours * retro.neighbour_len)};
}

Work Encoder(const DecoderConfig& config) {
  const RetroConfig& retro = *config.retro;
  const NeighbourEncoderConfig& encoder = retro.encoder;
  const double width = static_cast<double>(encoder.hidden_dim), layers = static_cast<double>(encoder.num_layers);
  const double q_dim = static_cast<double>(encoder.num_heads * encoder.head_dim);
  const double kv_dim = static_cast<double>(encoder.num_kv_heads * encoder.head_dim);
  const double crossing = static_cast<double>(encoder.cross_layers.size());
  Work each;  // neighbour token
  each.weights = layers * (width * (2 * q_dim + 2 * kv_dim) +
                           FfnMatrices(config.ffn) * width * static_cast<double>(encoder.ffn_dim)) +
                 crossing * 2 * width * q_dim;
  each.scores =
      2 * q_dim * (layers * static_cast<double>(retro.neighbour_len) + crossing * static_cast<double>(retro.chunk_len));
  // The chunk's own keys and values, once for all its neighbours.
  const double memory = crossing * 2 * static_cast<double>(config.hidden_dim) * kv_dim;
  return {each.weights * NeighbourTokens(retro) + memory, each.scores * NeighbourTokens(retro)};
}

}  // namespace

double TrainingFlops(const DecoderConfig& config, int64_t seq_len, bool neighbours, bool frozen_base) {
  const Work layer = DecoderLayer(config, static_cast<double>(seq_len));
  const int64_t first_cca = config.retro ? config.retro->cca_layers.front() : 0;
  double sum = 0;
  for (int64_t i = 0; i < config.num_layers; ++i) {
    sum += Operations(layer, !frozen_base || (neighbours && i >= first_cca), !frozen_base);
  }
  const Work output = {static_cast<double>(config.hidden_dim * config.vocab_size), 0};
  sum += Operations(output, !frozen_base || neighbours, !frozen_base);
  if (!neighbours || !config.retro) return sum;
  sum += static_cast<double>(config.retro->cca_layers.size()) * Operations(CrossAttention(config), true, true);
  const bool encoder_learns = !(frozen_base && config.retro->encoder.shared_layers);
  return sum + Operations(Encoder(config), encoder_learns, encoder_learns);
}

double LoraTrainingFlops(const DecoderConfig& config, int64_t seq_len, int64_t adapter_weights) {
  const Work layer = DecoderLayer(config, static_cast<double>(seq_len));
  const Work adapter = {static_cast<double>(adapter_weights), 0};
  return static_cast<double>(config.num_layers) * Operations(layer, true, false) + Operations(adapter, true, true);
}

}  // namespace retro
