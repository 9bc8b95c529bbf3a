#include "model/torch/decoder_module.h"

#include <utility>

#include "core/error.h"
#include "model/lora_adapter.h"
#include "model/rope_frequencies.h"
#include "model/torch/recompute.h"

namespace retro {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;

Projection NewProjection(int64_t num_inputs, int64_t num_outputs, bool bias) {
  return Projection(nn::LinearOptions(num_inputs, num_outputs).bias(bias));
}

// The rows of x, [B, T, C], as one.
torch::Tensor OneRow(const torch::Tensor& x) { return x.reshape({1, x.size(0) * x.size(1), x.size(2)}); }

// Each example's tokens see those of the example up to themselves. One product an example, so that packing costs no
// attention between examples and rounds as the examples alone do. x: [1, H, T, D].
torch::Tensor MixExamples(const torch::Tensor& queries, const torch::Tensor& keys, const torch::Tensor& values,
                          const std::vector<int64_t>& lens) {
  const auto q = queries.split_with_sizes(lens, 2), k = keys.split_with_sizes(lens, 2),
             v = values.split_with_sizes(lens, 2);
  std::vector<torch::Tensor> mixed;
  for (size_t i = 0; i < lens.size(); ++i) {
    mixed.push_back(torch::scaled_dot_product_attention(q[i], k[i], v[i], std::nullopt, 0.0, /*is_causal=*/true));
  }
  return torch::cat(mixed, 2);
}

// x: [B, H, T, D]. Element i of a head turns with element i + D / 2.
torch::Tensor Rotate(const torch::Tensor& x, const RotaryAngles& angles) {
  if (!angles.cosines.defined()) return x;
  const auto halves = x.chunk(2, -1);
  return torch::cat(
      {halves[0] * angles.cosines - halves[1] * angles.sines, halves[1] * angles.cosines + halves[0] * angles.sines},
      -1);
}

}  // namespace

NormImpl::NormImpl(const DecoderConfig& config) : kind_(config.norm), eps_(config.norm_eps) {
  weight = register_parameter("weight", torch::ones({config.hidden_dim}));
  if (kind_ == NormKind::kLayerNorm) bias = register_parameter("bias", torch::zeros({config.hidden_dim}));
}

torch::Tensor NormImpl::forward(const torch::Tensor& x) {
  if (kind_ == NormKind::kLayerNorm) return torch::layer_norm(x, weight.sizes(), weight, bias, eps_);
  return torch::rms_norm(x, weight.sizes(), weight, eps_);
}

SelfAttentionImpl::SelfAttentionImpl(const DecoderConfig& config)
    : num_heads_(config.num_heads), num_kv_heads_(config.num_kv_heads), head_dim_(config.head_dim) {
  const int64_t q_dim = num_heads_ * head_dim_, kv_dim = num_kv_heads_ * head_dim_;
  q = register_module("q", NewProjection(config.hidden_dim, q_dim, config.attention_bias));
  k = register_module("k", NewProjection(config.hidden_dim, kv_dim, config.attention_bias));
  v = register_module("v", NewProjection(config.hidden_dim, kv_dim, config.attention_bias));
  out = register_module("out", NewProjection(q_dim, config.hidden_dim, config.attention_bias));
}

torch::Tensor SelfAttentionImpl::forward(const torch::Tensor& x, const RotaryAngles& angles,
                                         const std::vector<int64_t>& lens) {
  if (!lens.empty()) {
    const auto mix = [&lens](const auto& q, const auto& k, const auto& v) { return MixExamples(q, k, v, lens); };
    return Attend(OneRow(x), angles, mix).view(x.sizes());
  }
  return Attend(x, angles, [](const auto& queries, const auto& keys, const auto& values) {
    return torch::scaled_dot_product_attention(queries, keys, values, std::nullopt, 0.0, /*is_causal=*/true);
  });
}

torch::Tensor SelfAttentionImpl::Bidirectional(const torch::Tensor& x, const RotaryAngles& angles,
                                               const torch::Tensor& mask) {
  const int64_t batch = x.size(0), len = x.size(1);
  return Attend(x, angles, [&](const auto& queries, const auto& keys, const auto& values) {
    return torch::scaled_dot_product_attention(
        queries, keys, values, mask.defined() ? std::optional(mask.expand({batch, 1, len, len})) : std::nullopt);
  });
}

torch::Tensor SelfAttentionImpl::Attend(const torch::Tensor& x, const RotaryAngles& angles, const Mix& mix) {
  const int64_t batch = x.size(0), len = x.size(1);
  const auto heads = [&](const torch::Tensor& rows, int64_t count) {
    return rows.view({batch, len, count, head_dim_}).transpose(1, 2);  // [B, count, T, D]
  };
  const int64_t shared_by = num_heads_ / num_kv_heads_;
  const auto queries = Rotate(heads(q(x), num_heads_), angles);
  auto keys = Rotate(heads(k(x), num_kv_heads_), angles);
  auto values = heads(v(x), num_kv_heads_);
  if (shared_by > 1) {
    keys = keys.repeat_interleave(shared_by, 1);
    values = values.repeat_interleave(shared_by, 1);
  }
  const auto mixed = mix(queries, keys, values);
  return out(mixed.transpose(1, 2).reshape({batch, len, num_heads_ * head_dim_}));
}

FeedForwardImpl::FeedForwardImpl(const DecoderConfig& config) : kind_(config.ffn) {
  if (kind_ == FeedForwardKind::kSwiGlu) {
    gate = register_module("gate", NewProjection(config.hidden_dim, config.ffn_dim, config.ffn_bias));
  }
  up = register_module("up", NewProjection(config.hidden_dim, config.ffn_dim, config.ffn_bias));
  down = register_module("down", NewProjection(config.ffn_dim, config.hidden_dim, config.ffn_bias));
}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& x) {
  if (kind_ == FeedForwardKind::kSwiGlu) return down(torch::silu(gate(x)) * up(x));
  return down(torch::gelu(up(x), kind_ == FeedForwardKind::kGeluTanh ? "tanh" : "none"));
}

DecoderLayerImpl::DecoderLayerImpl(const DecoderConfig& config) {
  attention_norm = register_module("attention_norm", Norm(config));
  attention = register_module("attention", SelfAttention(config));
  ffn_norm = register_module("ffn_norm", Norm(config));
  ffn = register_module("ffn", FeedForward(config));
}

torch::Tensor DecoderLayerImpl::forward(const torch::Tensor& x, const RotaryAngles& angles,
                                        const std::vector<int64_t>& lens) {
  return FeedForwardStep(Attend(x, angles, lens));
}

torch::Tensor DecoderLayerImpl::Attend(const torch::Tensor& x, const RotaryAngles& angles,
                                       const std::vector<int64_t>& lens) {
  return x + torch::dropout(attention(attention_norm(x), angles, lens), dropout, is_training());
}

torch::Tensor DecoderLayerImpl::FeedForwardStep(const torch::Tensor& x) {
  return x + torch::dropout(ffn(ffn_norm(x)), dropout, is_training());
}

DecoderModuleImpl::DecoderModuleImpl(const DecoderConfig& config, std::vector<float> rope_frequencies)
    : config_(config) {
  token_embedding = register_module("token_embedding", nn::Embedding(config.vocab_size, config.hidden_dim));
  if (config.position == PositionKind::kLearned) {
    position_embedding = register_module("position_embedding", nn::Embedding(config.context_len, config.hidden_dim));
  } else {
    rope_frequencies_ = register_buffer("rope_frequencies", torch::tensor(rope_frequencies));
  }
  for (int64_t i = 0; i < config.num_layers; ++i) {
    layers.push_back(register_module("layer_" + std::to_string(i), DecoderLayer(config)));
  }
  final_norm = register_module("final_norm", Norm(config));
  if (!config.tied_embeddings) {
    output = register_module("output", nn::Linear(nn::LinearOptions(config.hidden_dim, config.vocab_size).bias(false)));
  }
}

torch::Tensor DecoderModuleImpl::forward(const torch::Tensor& tokens) { return Logits(Hidden(tokens)); }

torch::Tensor DecoderModuleImpl::Logits(const torch::Tensor& hidden) {
  return output ? output(hidden) : F::linear(hidden, token_embedding->weight);
}

torch::Tensor DecoderModuleImpl::Hidden(const torch::Tensor& tokens, const PackedExamples& packed) {
  auto hidden = Embed(tokens, packed.positions);
  const auto angles = Angles(tokens, packed.positions);
  for (DecoderLayer layer : layers) {
    const auto step = [layer, angles, lens = packed.lens](const torch::Tensor& x) mutable {
      return layer(x, angles, lens);
    };
    hidden = Step(step, hidden);
  }
  return final_norm(hidden);
}

torch::Tensor DecoderModuleImpl::Step(const Block& block, const torch::Tensor& x) const {
  return recompute_ ? Recomputed(block, x) : block(x);
}

void DecoderModuleImpl::SetDropout(double share) {
  dropout_ = share;
  for (DecoderLayer& layer : layers) layer->dropout = share;
}

torch::Tensor DecoderModuleImpl::Embed(const torch::Tensor& tokens, const torch::Tensor& positions) {
  auto hidden = token_embedding(tokens);
  if (position_embedding) {
    hidden =
        hidden + position_embedding(positions.defined() ? positions : torch::arange(tokens.size(1), tokens.options()));
  }
  return torch::dropout(hidden, dropout_, is_training());
}

RotaryAngles DecoderModuleImpl::Angles(const torch::Tensor& tokens, const torch::Tensor& positions) const {
  if (!rope_frequencies_.defined()) return {};
  const auto turns = positions.defined() ? positions.flatten().to(rope_frequencies_.options())
                                         : torch::arange(tokens.size(1), rope_frequencies_.options());
  const auto angles = torch::outer(turns, rope_frequencies_);  // [T, D / 2]
  return {angles.cos(), angles.sin()};
}

torch::Tensor LoadTensor(const TensorSource& tensors, const std::string& name, torch::IntArrayRef shape) {
  const auto values = Dequantize(tensors.Get(name, std::span(shape.begin(), shape.size())));
  return torch::from_blob(const_cast<float*>(values.data()), shape, torch::kFloat32).clone();
}

torch::Device ParseDevice(const std::string& device) {
  if (device == "cpu") return torch::kCPU;
  if (device != "cuda" && !device.starts_with("cuda:")) {
    Throw(ErrorCode::kInvalidArgument, "device \"{}\" is not known: cpu, cuda or cuda:N", device);
  }
  try {
    const torch::Device parsed(device);
    if (parsed.index() < static_cast<int>(torch::cuda::device_count()) && torch::cuda::is_available()) return parsed;
  } catch (const c10::Error&) {
    Throw(ErrorCode::kInvalidArgument, "device \"{}\" is not known: cpu, cuda or cuda:N", device);
  }
  Throw(ErrorCode::kUnavailable,
        "device \"{}\": this LibTorch finds {} CUDA devices; use cpu, or build with a Torch_DIR of a CUDA LibTorch",
        device, torch::cuda::device_count());
}

namespace {

// Copies the tensors of a file into a module's parameters.
class Loader {
 public:
  explicit Loader(const DecoderSource& source) : source_(source) {}

  void Copy(const std::string& name, torch::Tensor parameter) const {
    parameter.copy_(LoadTensor(*source_.tensors, name, parameter.sizes()));
  }

  void CopyNorm(const std::string& weight, const std::string& bias, Norm& norm) const {
    Copy(weight, norm->weight);
    if (!bias.empty()) Copy(bias, norm->bias);
  }

  void CopyLinear(const std::string& weight, const std::string& bias, Projection& linear) const {
    linear->weight.copy_(Matrix(weight, linear->weight.size(0), linear->weight.size(1)));
    CopyBias(bias.empty() ? torch::Tensor() : LoadTensor(*source_.tensors, bias, linear->bias.sizes()), linear);
  }

  void CopyAttention(const DecoderLayerNames& names, SelfAttention& attention) const {
    if (names.qkv.empty()) {
      CopyLinear(names.q, names.q_bias, attention->q);
      CopyLinear(names.k, names.k_bias, attention->k);
      CopyLinear(names.v, names.v_bias, attention->v);
    } else {
      CopyFused(names, attention);
    }
    if (source_.rope_style == RopeStyle::kInterleaved && source_.config.position == PositionKind::kRotary) {
      SplitHalves(attention->q, source_.config.num_heads);
      SplitHalves(attention->k, source_.config.num_kv_heads);
    }
    CopyLinear(names.attention_out, names.attention_out_bias, attention->out);
  }

 private:
  // [out, in], whichever way the file has it.
  torch::Tensor Matrix(const std::string& name, int64_t out, int64_t in) const {
    const auto matrix = source_.transposed_linear ? LoadTensor(*source_.tensors, name, {in, out}).t()
                                                  : LoadTensor(*source_.tensors, name, {out, in});
    const LowRankUpdate* update = source_.adapter ? source_.adapter->Find(name) : nullptr;
    return update == nullptr ? matrix : matrix + Product(*update);
  }

  static torch::Tensor Product(const LowRankUpdate& update) {
    const auto a = torch::from_blob(const_cast<float*>(update.a.data()), {update.rank, update.num_inputs});
    const auto b = torch::from_blob(const_cast<float*>(update.b.data()), {update.num_outputs, update.rank});
    return torch::mm(b, a);
  }

  // A layer that has a bias which the file lacks has it zero.
  static void CopyBias(const torch::Tensor& bias, Projection& linear) {
    if (!linear->options.bias()) return;
    if (bias.defined())
      linear->bias.copy_(bias);
    else
      linear->bias.zero_();
  }

  void CopyFused(const DecoderLayerNames& names, SelfAttention& attention) const {
    Projection* linears[] = {&attention->q, &attention->k, &attention->v};
    std::vector<int64_t> sizes;
    for (Projection* linear : linears) sizes.push_back((*linear)->weight.size(0));
    const int64_t sum = sizes[0] + sizes[1] + sizes[2];
    const auto weights = Matrix(names.qkv, sum, source_.config.hidden_dim).split_with_sizes(sizes);
    const auto bias =
        names.qkv_bias.empty() ? torch::zeros({sum}) : LoadTensor(*source_.tensors, names.qkv_bias, {sum});
    const auto biases = bias.split_with_sizes(sizes);
    for (size_t i = 0; i < 3; ++i) {
      (*linears[i])->weight.copy_(weights[i]);
      CopyBias(biases[i], *linears[i]);
    }
  }

  // Rows (2i, 2i + 1) of each head, which the file turns together, become rows (i, i + D / 2).
  static void SplitHalves(Projection& linear, int64_t num_heads) {
    const auto reorder = [&](torch::Tensor& rows) {
      const auto pairs = rows.view({num_heads, rows.size(0) / num_heads / 2, 2, -1});
      rows.copy_(pairs.transpose(1, 2).reshape(rows.sizes()));
    };
    reorder(linear->weight);
    if (linear->options.bias()) reorder(linear->bias);
  }

  const DecoderSource& source_;
};

}  // namespace

DecoderModule LoadDecoderModule(const DecoderSource& source) {
  const DecoderConfig config = ModuleConfig(source);
  DecoderModule module(config, ModuleRopeFrequencies(source));
  LoadDecoderWeights(source, module);
  return module;
}

DecoderConfig ModuleConfig(const DecoderSource& source) {
  DecoderConfig config = source.config;
  config.tied_embeddings = source.names.output.empty();
  return config;
}

std::vector<float> ModuleRopeFrequencies(const DecoderSource& source) {
  return source.config.position == PositionKind::kRotary ? RopeFrequencies(source) : std::vector<float>{};
}

void LoadDecoderWeights(const DecoderSource& source, DecoderModule& module) {
  torch::NoGradGuard no_grad;
  const Loader loader(source);
  const DecoderWeightNames& names = source.names;
  loader.Copy(names.token_embedding, module->token_embedding->weight);
  if (module->position_embedding) loader.Copy(names.position_embedding, module->position_embedding->weight);
  loader.CopyNorm(names.final_norm, names.final_norm_bias, module->final_norm);
  if (module->output) loader.Copy(names.output, module->output->weight);
  for (size_t i = 0; i < module->layers.size(); ++i) {
    DecoderLayer& layer = module->layers[i];
    const DecoderLayerNames& layer_names = names.layers[i];
    loader.CopyNorm(layer_names.attention_norm, layer_names.attention_norm_bias, layer->attention_norm);
    loader.CopyAttention(layer_names, layer->attention);
    loader.CopyNorm(layer_names.ffn_norm, layer_names.ffn_norm_bias, layer->ffn_norm);
    if (layer->ffn->gate) loader.CopyLinear(layer_names.ffn_gate, layer_names.ffn_gate_bias, layer->ffn->gate);
    loader.CopyLinear(layer_names.ffn_up, layer_names.ffn_up_bias, layer->ffn->up);
    loader.CopyLinear(layer_names.ffn_down, layer_names.ffn_down_bias, layer->ffn->down);
  }
}

}  // namespace retro
