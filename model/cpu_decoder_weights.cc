#include "model/cpu_decoder_weights.h"

#include "model/rope_frequencies.h"

namespace retro {

DecoderWeights LoadDecoderWeights(const DecoderSource& source, WeightPrecision precision, ThreadPool& pool) {
  const DecoderConfig& config = source.config;
  const DecoderWeightNames& names = source.names;
  WeightLoader loader(source, precision, pool);
  DecoderWeights weights;
  weights.token_embedding = loader.Tensor(names.token_embedding, {config.vocab_size, config.hidden_dim});
  if (config.position == PositionKind::kLearned) {
    weights.position_embedding = loader.Floats(names.position_embedding, {config.context_len, config.hidden_dim});
  } else {
    weights.rope_frequencies = RopeFrequencies(source);
  }
  for (const DecoderLayerNames& layer : names.layers) {
    weights.layers.push_back(
        loader.Layer(layer, {config.hidden_dim, config.num_heads, config.num_kv_heads, config.head_dim, config.ffn_dim},
                     source.transposed_linear));
  }
  weights.final_norm = loader.Norm(names.final_norm, names.final_norm_bias, config.hidden_dim);
  const bool tied = names.output.empty();
  weights.output =
      loader.Linear({{tied ? names.token_embedding : names.output, "", config.vocab_size}}, config.hidden_dim, false);
  if (!tied) loader.Count(weights.token_embedding.num_elements(), 0);
  if (config.retro) {
    weights.retro = LoadRetroWeights(loader, {weights.layers, weights.position_embedding, weights.rope_frequencies});
  }
  weights.num_parameters = loader.num_parameters();
  weights.bytes = loader.bytes();
  return weights;
}

}  // namespace retro
