#include "model/torch/torch_text_encoder.h"

#include <algorithm>
#include <numeric>

#include "model/bert_encoder.h"
#include "model/torch/decoder_module.h"
#include "model/torch/padded_batch.h"

namespace retro {
namespace {

namespace F = torch::nn::functional;

// Padded tokens of one pass: enough to keep a GPU busy, little enough for its memory.
constexpr size_t kBatchTokens = 32768;

struct Affine {
  torch::Tensor weight, bias;
};

struct Layer {
  Affine q, k, v, attention_out, attention_norm, ffn_up, ffn_down, ffn_norm;
};

torch::Tensor Linear(const torch::Tensor& x, const Affine& affine) { return F::linear(x, affine.weight, affine.bias); }

// B sequences, T tokens, H heads, D elements a head, C = H D.
class TorchTextEncoder final : public TextEncoder {
 public:
  TorchTextEncoder(const BertSource& source, torch::Device device)
      : config_(source.config), fingerprint_(BertFingerprint(source)), device_(device) {
    const BertWeightNames& names = source.names;
    token_embedding_ = Load(source, names.token_embedding, {config_.vocab_size, config_.hidden_dim});
    const auto types = Load(source, names.token_type_embedding, {config_.num_token_types, config_.hidden_dim});
    position_embedding_ =
        Load(source, names.position_embedding, {config_.max_positions, config_.hidden_dim}) + types[0];
    embedding_norm_ = LoadNorm(source, names.embedding_norm, names.embedding_norm_bias);
    for (const BertLayerNames& layer : names.layers) layers_.push_back(LoadLayer(source, layer));
  }

  int64_t dim() const override { return config_.hidden_dim; }
  int64_t max_len() const override { return config_.max_len; }
  int64_t vocab_size() const override { return config_.vocab_size; }
  const std::string& fingerprint() const override { return fingerprint_; }

  void Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out, ThreadPool&) const override {
    CheckSequences(sequences, config_.vocab_size, config_.max_len);
    std::vector<size_t> order(sequences.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::ranges::greater{}, [&](size_t i) { return sequences[i].size(); });
    TranslateTorchErrors([&] {
      torch::InferenceMode inference;
      for (size_t begin = 0; begin < order.size();) {
        const size_t count = std::max<size_t>(1, kBatchTokens / sequences[order[begin]].size());
        const auto batch = std::span(order).subspan(begin, std::min(count, order.size() - begin));
        EmbedBatch(sequences, batch, out);
        begin += batch.size();
      }
    });
  }

 private:
  torch::Tensor Load(const BertSource& source, const std::string& name, torch::IntArrayRef shape) const {
    return LoadTensor(*source.tensors, name, shape).to(device_);
  }
  Affine LoadNorm(const BertSource& source, const std::string& weight, const std::string& bias) const {
    return {Load(source, weight, {config_.hidden_dim}), Load(source, bias, {config_.hidden_dim})};
  }
  Affine LoadLinear(const BertSource& source, const std::string& weight, const std::string& bias, int64_t in,
                    int64_t out) const {
    return {Load(source, weight, {out, in}), Load(source, bias, {out})};
  }

  Layer LoadLayer(const BertSource& source, const BertLayerNames& names) const {
    const int64_t hidden = config_.hidden_dim;
    Layer layer;
    layer.q = LoadLinear(source, names.q, names.q_bias, hidden, hidden);
    layer.k = LoadLinear(source, names.k, names.k_bias, hidden, hidden);
    layer.v = LoadLinear(source, names.v, names.v_bias, hidden, hidden);
    layer.attention_out = LoadLinear(source, names.attention_out, names.attention_out_bias, hidden, hidden);
    layer.attention_norm = LoadNorm(source, names.attention_norm, names.attention_norm_bias);
    layer.ffn_up = LoadLinear(source, names.ffn_up, names.ffn_up_bias, hidden, config_.ffn_dim);
    layer.ffn_down = LoadLinear(source, names.ffn_down, names.ffn_down_bias, config_.ffn_dim, hidden);
    layer.ffn_norm = LoadNorm(source, names.ffn_norm, names.ffn_norm_bias);
    return layer;
  }

  torch::Tensor Normalize(const torch::Tensor& x, const Affine& norm) const {
    return torch::layer_norm(x, norm.weight.sizes(), norm.weight, norm.bias, config_.norm_eps);
  }

  // mask: [B, 1, 1, T], true where a token is.
  torch::Tensor Forward(const Layer& layer, const torch::Tensor& x, const torch::Tensor& mask) const {
    const auto heads = [&](const Affine& affine) {
      return Linear(x, affine).view({x.size(0), x.size(1), config_.num_heads, -1}).transpose(1, 2);  // [B, H, T, D]
    };
    const auto mixed = torch::scaled_dot_product_attention(heads(layer.q), heads(layer.k), heads(layer.v), mask);
    const auto attended = Linear(mixed.transpose(1, 2).reshape(x.sizes()), layer.attention_out);
    const auto middle = Normalize(x + attended, layer.attention_norm);
    const auto up =
        torch::gelu(Linear(middle, layer.ffn_up), config_.ffn == FeedForwardKind::kGeluTanh ? "tanh" : "none");
    return Normalize(middle + Linear(up, layer.ffn_down), layer.ffn_norm);
  }

  void EmbedBatch(std::span<const std::span<const TokenId>> sequences, std::span<const size_t> batch,
                  std::span<float> out) const {
    std::vector<std::span<const TokenId>> chosen;
    std::vector<int64_t> lengths;
    for (const size_t i : batch) {
      chosen.push_back(sequences[i]);
      lengths.push_back(static_cast<int64_t>(sequences[i].size()));
    }
    const auto tokens = PadAtEnd(chosen).to(device_);
    const auto counts = torch::tensor(lengths, torch::kInt64).to(device_).unsqueeze(1);          // [B, 1]
    const auto present = torch::arange(tokens.size(1), tokens.options()).unsqueeze(0) < counts;  // [B, T]
    auto x = F::embedding(tokens, token_embedding_) + position_embedding_.slice(0, 0, tokens.size(1));
    x = Normalize(x, embedding_norm_);
    for (const Layer& layer : layers_) x = Forward(layer, x, present.unsqueeze(1).unsqueeze(1));
    auto pooled = (x * present.unsqueeze(2)).sum(1) / counts;  // [B, C]
    if (config_.normalize) pooled = F::normalize(pooled, F::NormalizeFuncOptions().dim(1));
    pooled = pooled.cpu().contiguous();
    for (size_t row = 0; row < batch.size(); ++row) {
      std::copy_n(pooled.const_data_ptr<float>() + row * dim(), dim(), out.data() + batch[row] * dim());
    }
  }

  BertConfig config_;
  std::string fingerprint_;
  torch::Device device_;
  torch::Tensor token_embedding_, position_embedding_;
  Affine embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<TextEncoder> LoadTorchTextEncoder(const std::filesystem::path& folder, const std::string& device) {
  return std::make_unique<TorchTextEncoder>(OpenBert(folder), ParseDevice(device));
}

}  // namespace retro
