#include "model/weight_loader.h"

namespace retro {

const TensorView& WeightLoader::Tensor(const std::string& name, std::initializer_list<int64_t> shape) const {
  return source_.tensors->Get(name, std::span(shape.begin(), shape.size()));
}

void WeightLoader::Count(uint64_t num_parameters, uint64_t bytes) {
  num_parameters_ += num_parameters;
  bytes_ += bytes;
}

std::vector<float> WeightLoader::Floats(const std::string& name, std::initializer_list<int64_t> shape) {
  auto values = Dequantize(Tensor(name, shape));
  Count(values.size(), values.size() * sizeof(float));
  return values;
}

NormWeights WeightLoader::Norm(const std::string& weight, const std::string& bias, int64_t width) {
  NormWeights norm;
  norm.weight = Floats(weight, {width});
  if (source_.config.norm == NormKind::kLayerNorm) {
    norm.bias = bias.empty() ? std::vector<float>(width) : Floats(bias, {width});
  }
  return norm;
}

PackedLinear WeightLoader::Counted(PackedLinear linear) {
  Count(linear.num_parameters(), linear.bytes());
  return linear;
}

PackedLinear WeightLoader::Linear(const std::vector<LinearPart>& parts, int64_t num_inputs, bool transposed) {
  const LinearFormat format{.transposed = transposed, .precision = precision_};
  return Counted(Adapted(PackedLinear(*source_.tensors, parts, num_inputs, format, pool_), parts, false));
}

PackedLinear WeightLoader::Adapted(PackedLinear linear, std::span<const LinearPart> parts, bool interleaved) const {
  if (!source_.adapter) return linear;
  std::vector<const LowRankUpdate*> updates;
  bool quantized = precision_ == WeightPrecision::kInt8;
  for (const LinearPart& part : parts) {
    updates.push_back(source_.adapter->Find(part.weight));
    quantized = quantized || BlockElements(source_.tensors->Find(part.weight)->type) > 1;
  }
  // Beside quantized weights an update in 8 bits is the more exact part by far.
  linear.SetUpdates(updates, parts, interleaved, quantized ? WeightPrecision::kInt8 : WeightPrecision::kAsStored,
                    pool_);
  return linear;
}

PackedLinear WeightLoader::Qkv(const DecoderLayerNames& names, const TransformerLayerShape& shape, bool transposed) {
  const int64_t q_dim = shape.num_heads * shape.head_dim, kv_dim = shape.num_kv_heads * shape.head_dim;
  if (!names.qkv.empty())
    return Linear({{names.qkv, names.qkv_bias, q_dim + 2 * kv_dim}}, shape.hidden_dim, transposed);
  return Linear({{names.q, names.q_bias, q_dim}, {names.k, names.k_bias, kv_dim}, {names.v, names.v_bias, kv_dim}},
                shape.hidden_dim, transposed);
}

PackedLinear WeightLoader::FfnIn(const DecoderLayerNames& names, const TransformerLayerShape& shape, bool transposed) {
  const LinearPart up{names.ffn_up, names.ffn_up_bias, shape.ffn_dim};
  if (source_.config.ffn != FeedForwardKind::kSwiGlu) return Linear({up}, shape.hidden_dim, transposed);
  const LinearPart gate{names.ffn_gate, names.ffn_gate_bias, shape.ffn_dim};
  const LinearPart parts[] = {gate, up};
  auto both = PackedLinear::GateAndUp(*source_.tensors, gate, up, shape.hidden_dim, {.precision = precision_}, pool_);
  return Counted(Adapted(std::move(both), parts, true));
}

TransformerLayerWeights WeightLoader::Layer(const DecoderLayerNames& names, const TransformerLayerShape& shape,
                                            bool transposed) {
  TransformerLayerWeights layer;
  layer.attention_norm = Norm(names.attention_norm, names.attention_norm_bias, shape.hidden_dim);
  layer.ffn_norm = Norm(names.ffn_norm, names.ffn_norm_bias, shape.hidden_dim);
  layer.qkv = Qkv(names, shape, transposed);
  layer.attention_out = Linear({{names.attention_out, names.attention_out_bias, shape.hidden_dim}},
                               shape.num_heads * shape.head_dim, transposed);
  layer.ffn_in = FfnIn(names, shape, transposed);
  layer.ffn_out = Linear({{names.ffn_down, names.ffn_down_bias, shape.hidden_dim}}, shape.ffn_dim, transposed);
  return layer;
}

}  // namespace retro
