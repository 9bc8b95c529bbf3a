#include "model/cpu_decoder_weights.h"

#include "model/rope_frequencies.h"

namespace retro {
namespace {

class Loader {
 public:
  Loader(const DecoderSource& source, WeightPrecision precision, ThreadPool& pool)
      : source_(source), config_(source.config), precision_(precision), pool_(pool) {}

  DecoderWeights Load() {
    const DecoderWeightNames& names = source_.names;
    DecoderWeights weights;
    const int64_t embedding_shape[] = {config_.vocab_size, config_.hidden_dim};
    weights.token_embedding = source_.tensors->Get(names.token_embedding, embedding_shape);
    if (config_.position == PositionKind::kLearned) {
      weights.position_embedding = Floats(names.position_embedding, {config_.context_len, config_.hidden_dim});
    } else {
      weights.rope_frequencies = RopeFrequencies(source_);
    }
    for (const DecoderLayerNames& layer : names.layers) weights.layers.push_back(LoadLayer(layer));
    weights.final_norm = Norm(names.final_norm, names.final_norm_bias);
    weights.output = LoadOutput();
    const bool tied = names.output.empty();
    weights.num_parameters = num_parameters_ + (tied ? 0 : weights.token_embedding.num_elements());
    weights.bytes = bytes_;
    return weights;
  }

 private:
  std::vector<float> Floats(const std::string& name, std::initializer_list<int64_t> shape) {
    auto values = Dequantize(source_.tensors->Get(name, std::span(shape.begin(), shape.size())));
    num_parameters_ += values.size();
    bytes_ += values.size() * sizeof(float);
    return values;
  }

  NormWeights Norm(const std::string& weight, const std::string& bias) {
    NormWeights norm;
    norm.weight = Floats(weight, {config_.hidden_dim});
    if (config_.norm == NormKind::kLayerNorm) {
      norm.bias = bias.empty() ? std::vector<float>(config_.hidden_dim) : Floats(bias, {config_.hidden_dim});
    }
    return norm;
  }

  PackedLinear Counted(PackedLinear linear) {
    num_parameters_ += linear.num_parameters();
    bytes_ += linear.bytes();
    return linear;
  }

  PackedLinear Linear(const std::vector<LinearPart>& parts, int64_t num_inputs) {
    return Counted(PackedLinear(*source_.tensors, parts, num_inputs, Format(source_.transposed_linear), pool_));
  }

  LinearFormat Format(bool transposed) const { return {.transposed = transposed, .precision = precision_}; }

  PackedLinear LoadQkv(const DecoderLayerNames& names) {
    const int64_t q_dim = config_.num_heads * config_.head_dim, kv_dim = config_.num_kv_heads * config_.head_dim;
    if (!names.qkv.empty()) return Linear({{names.qkv, names.qkv_bias, q_dim + 2 * kv_dim}}, config_.hidden_dim);
    return Linear({{names.q, names.q_bias, q_dim}, {names.k, names.k_bias, kv_dim}, {names.v, names.v_bias, kv_dim}},
                  config_.hidden_dim);
  }

  PackedLinear LoadFfnIn(const DecoderLayerNames& names) {
    const LinearPart up{names.ffn_up, names.ffn_up_bias, config_.ffn_dim};
    if (config_.ffn != FeedForwardKind::kSwiGlu) return Linear({up}, config_.hidden_dim);
    const LinearPart gate{names.ffn_gate, names.ffn_gate_bias, config_.ffn_dim};
    return Counted(PackedLinear::GateAndUp(*source_.tensors, gate, up, config_.hidden_dim, Format(false), pool_));
  }

  DecoderLayerWeights LoadLayer(const DecoderLayerNames& names) {
    DecoderLayerWeights layer;
    layer.attention_norm = Norm(names.attention_norm, names.attention_norm_bias);
    layer.ffn_norm = Norm(names.ffn_norm, names.ffn_norm_bias);
    layer.qkv = LoadQkv(names);
    layer.attention_out = Linear({{names.attention_out, names.attention_out_bias, config_.hidden_dim}},
                                 config_.num_heads * config_.head_dim);
    layer.ffn_in = LoadFfnIn(names);
    layer.ffn_out = Linear({{names.ffn_down, names.ffn_down_bias, config_.hidden_dim}}, config_.ffn_dim);
    return layer;
  }

  PackedLinear LoadOutput() {
    const std::string& name = source_.names.output.empty() ? source_.names.token_embedding : source_.names.output;
    const LinearPart part{name, "", config_.vocab_size};
    return Counted(PackedLinear(*source_.tensors, {&part, 1}, config_.hidden_dim, Format(false), pool_));
  }

  const DecoderSource& source_;
  const DecoderConfig& config_;
  WeightPrecision precision_;
  ThreadPool& pool_;
  uint64_t num_parameters_ = 0, bytes_ = 0;
};

}  // namespace

DecoderWeights LoadDecoderWeights(const DecoderSource& source, WeightPrecision precision, ThreadPool& pool) {
  return Loader(source, precision, pool).Load();
}

}  // namespace retro
