#include "model/bert_encoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/thread_pool.h"
#include "model/kernels/vector_ops.h"

namespace retro {
namespace {

// Rows that run as one matrix: the products are near their peak and the activations stay in the caches.
constexpr size_t kBatchRows = 1024;
constexpr int64_t kRowsPerTask = 16;

void HashTensor(const TensorSource& tensors, const std::string& name, Hasher& hasher) {
  const TensorView* tensor = tensors.Find(name);
  if (tensor == nullptr) return;
  hasher.Update(name);
  hasher.Update(DataTypeName(tensor->type));
  hasher.Update(tensor->bytes);
}

// Runs body(row) for every row in parallel.
template <typename Body>
void ForRows(int64_t num_rows, ThreadPool& pool, const Body& body) {
  pool.ParallelFor((num_rows + kRowsPerTask - 1) / kRowsPerTask, [&](size_t task) {
    const int64_t begin = static_cast<int64_t>(task) * kRowsPerTask;
    for (int64_t row = begin; row < std::min(begin + kRowsPerTask, num_rows); ++row) body(row);
  });
}

}  // namespace

struct BertEncoder::Batch {
  struct Row {
    TokenId token;
    int64_t position;
  };
  std::vector<int64_t> starts;  // first row of each sequence, then the number of rows
  std::vector<Row> rows;
  std::vector<float> hidden, qkv, attended, ffn;  // [rows, width]

  int64_t num_rows() const { return std::ssize(rows); }
  int64_t num_sequences() const { return std::ssize(starts) - 1; }

  void Assign(std::span<const std::span<const TokenId>> sequences, const BertConfig& config) {
    starts.assign(1, 0);
    rows.clear();
    for (const auto& sequence : sequences) {
      for (int64_t i = 0; i < std::ssize(sequence); ++i) rows.push_back({sequence[i], i});
      starts.push_back(num_rows());
    }
    Reserve(hidden, config.hidden_dim);
    Reserve(qkv, 3 * config.hidden_dim);
    Reserve(attended, config.hidden_dim);
    Reserve(ffn, config.ffn_dim);
  }

 private:
  void Reserve(std::vector<float>& buffer, int64_t width) const {
    buffer.resize(std::max<size_t>(buffer.size(), num_rows() * width));
  }
};

std::string BertFingerprint(const BertSource& source) {
  const BertConfig& config = source.config;
  Hasher hasher;
  hasher.Update(fmt::format("bert {} {} {} {} {} {} {} {} {} {} {}", config.vocab_size, config.hidden_dim,
                            config.num_layers, config.num_heads, config.ffn_dim, config.max_positions,
                            config.num_token_types, config.norm_eps, static_cast<int>(config.ffn), config.max_len,
                            config.normalize));
  // Sorted, so that the order of a file does not matter.
  auto names = source.tensors->Names();
  std::ranges::sort(names);
  for (const std::string& name : names) HashTensor(*source.tensors, name, hasher);
  return hasher.HexDigest();
}

BertEncoder::BertEncoder(BertSource source, EncoderPrecision precision, ThreadPool& pool)
    : source_(std::move(source)), precision_(precision), fingerprint_(BertFingerprint(source_)) {
  const BertConfig& config = source_.config;
  const BertWeightNames& names = source_.names;
  const auto get = [&](const std::string& name, int64_t rows) -> const TensorView& {
    const int64_t shape[] = {rows, config.hidden_dim};
    return source_.tensors->Get(name, shape);
  };
  token_embedding_ = get(names.token_embedding, config.vocab_size);
  position_embedding_ = Dequantize(get(names.position_embedding, config.max_positions));
  const auto types = Dequantize(get(names.token_type_embedding, config.num_token_types));
  for (size_t i = 0; i < position_embedding_.size(); ++i) position_embedding_[i] += types[i % config.hidden_dim];
  embedding_norm_ = LoadNorm(names.embedding_norm, names.embedding_norm_bias);
  for (const BertLayerNames& layer : names.layers) layers_.push_back(LoadLayer(layer, pool));
}

BertEncoder::Linear BertEncoder::LoadLinear(std::span<const LinearPart> parts, int64_t num_inputs,
                                            ThreadPool& pool) const {
  if (precision_ == EncoderPrecision::kInt8) return Int8Linear(*source_.tensors, parts, num_inputs, pool);
  return PackedLinear(*source_.tensors, parts, num_inputs, {}, pool);
}

BertEncoder::Norm BertEncoder::LoadNorm(const std::string& weight, const std::string& bias) const {
  const int64_t shape[] = {source_.config.hidden_dim};
  return {Dequantize(source_.tensors->Get(weight, shape)), Dequantize(source_.tensors->Get(bias, shape))};
}

BertEncoder::Layer BertEncoder::LoadLayer(const BertLayerNames& names, ThreadPool& pool) const {
  const int64_t hidden = source_.config.hidden_dim, ffn = source_.config.ffn_dim;
  const auto linear = [&](std::vector<LinearPart> parts, int64_t num_inputs) {
    return LoadLinear(parts, num_inputs, pool);
  };
  Layer layer;
  layer.qkv = linear(
      {{names.q, names.q_bias, hidden}, {names.k, names.k_bias, hidden}, {names.v, names.v_bias, hidden}}, hidden);
  layer.attention_out = linear({{names.attention_out, names.attention_out_bias, hidden}}, hidden);
  layer.attention_norm = LoadNorm(names.attention_norm, names.attention_norm_bias);
  layer.ffn_up = linear({{names.ffn_up, names.ffn_up_bias, ffn}}, hidden);
  layer.ffn_down = linear({{names.ffn_down, names.ffn_down_bias, hidden}}, ffn);
  layer.ffn_norm = LoadNorm(names.ffn_norm, names.ffn_norm_bias);
  return layer;
}

void BertEncoder::Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out,
                        ThreadPool& pool) const {
  Check(sequences);
  Batch batch;
  float* next = out.data();
  while (!sequences.empty()) {
    size_t count = 0, rows = 0;
    while (count < sequences.size() && (count == 0 || rows + sequences[count].size() <= kBatchRows)) {
      rows += sequences[count++].size();
    }
    batch.Assign(sequences.first(count), source_.config);
    EmbedBatch(batch, next, pool);
    next += count * dim();
    sequences = sequences.subspan(count);
  }
}

void BertEncoder::Check(std::span<const std::span<const TokenId>> sequences) const {
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].empty() || std::ssize(sequences[i]) > max_len()) {
      Throw(ErrorCode::kInvalidArgument, "sequence {} has {} tokens: the encoder takes 1 to {}, special ones included",
            i, sequences[i].size(), max_len());
    }
    for (const TokenId token : sequences[i]) {
      if (token < 0 || token >= vocab_size()) {
        Throw(ErrorCode::kInvalidArgument,
              "sequence {}: token {} is outside the vocabulary of {}: was the text encoded by another tokenizer?", i,
              token, vocab_size());
      }
    }
  }
}

void BertEncoder::EmbedBatch(Batch& batch, float* out, ThreadPool& pool) const {
  LookUp(batch, pool);
  for (const Layer& layer : layers_) RunLayer(layer, batch, pool);
  pool.ParallelFor(batch.num_sequences(), [&](size_t i) { PoolRows(batch, i, out + i * dim()); });
}

void BertEncoder::LookUp(Batch& batch, ThreadPool& pool) const {
  ForRows(batch.num_rows(), pool, [&](int64_t i) {
    const Batch::Row& row = batch.rows[i];
    float* hidden = batch.hidden.data() + i * dim();
    DequantizeTo(token_embedding_, row.token * dim(), {hidden, static_cast<size_t>(dim())});
    const float* position = position_embedding_.data() + row.position * dim();
    for (int64_t j = 0; j < dim(); ++j) hidden[j] += position[j];
  });
  Normalize(embedding_norm_, batch, pool);
}

void BertEncoder::RunLayer(const Layer& layer, Batch& batch, ThreadPool& pool) const {
  const Activation activation =
      source_.config.ffn == FeedForwardKind::kGeluTanh ? Activation::kGeluTanh : Activation::kGelu;
  const int64_t rows = batch.num_rows();
  const auto apply = [&](const Linear& linear, const std::vector<float>& x, std::vector<float>& y, Activation with) {
    std::visit([&](const auto& of_kind) { of_kind.Apply(x.data(), rows, y.data(), with, pool); }, linear);
  };
  const auto add = [&](const Linear& linear, const std::vector<float>& x) {
    std::visit([&](const auto& of_kind) { of_kind.AddTo(x.data(), rows, batch.hidden.data(), pool); }, linear);
  };
  apply(layer.qkv, batch.hidden, batch.qkv, Activation::kNone);
  Attend(batch, pool);
  add(layer.attention_out, batch.attended);
  Normalize(layer.attention_norm, batch, pool);
  apply(layer.ffn_up, batch.hidden, batch.ffn, activation);
  add(layer.ffn_down, batch.ffn);
  Normalize(layer.ffn_norm, batch, pool);
}

void BertEncoder::Attend(Batch& batch, ThreadPool& pool) const {
  const int64_t num_heads = source_.config.num_heads, head_dim = dim() / num_heads;
  pool.ParallelFor(batch.num_sequences() * num_heads, [&](size_t task) {
    const int64_t begin = batch.starts[task / num_heads], end = batch.starts[task / num_heads + 1];
    const int64_t head = static_cast<int64_t>(task) % num_heads * head_dim;
    const float* qkv = batch.qkv.data() + begin * 3 * dim() + head;
    AttentionArgs args;
    args.queries = qkv;
    args.keys = qkv + dim();
    args.values = qkv + 2 * dim();
    args.query_stride = args.key_stride = args.value_stride = 3 * dim();
    args.num_queries = args.num_keys = end - begin;
    args.head_dim = head_dim;
    args.scale = 1 / std::sqrt(static_cast<float>(head_dim));
    args.out = batch.attended.data() + begin * dim() + head;
    args.out_stride = dim();
    Attention(args);
  });
}

void BertEncoder::Normalize(const Norm& norm, Batch& batch, ThreadPool& pool) const {
  ForRows(batch.num_rows(), pool, [&](int64_t i) {
    float* row = batch.hidden.data() + i * dim();
    LayerNorm(row, norm.weight.data(), norm.bias.data(), dim(), source_.config.norm_eps, row);
  });
}

// The mean of the rows of a sequence, divided by its norm if the model says so.
void BertEncoder::PoolRows(const Batch& batch, int64_t sequence, float* out) const {
  const int64_t begin = batch.starts[sequence], end = batch.starts[sequence + 1];
  std::fill_n(out, dim(), 0.0f);
  for (int64_t row = begin; row < end; ++row) {
    const float* hidden = batch.hidden.data() + row * dim();
    for (int64_t j = 0; j < dim(); ++j) out[j] += hidden[j];
  }
  float scale = 1.0f / static_cast<float>(end - begin);
  if (source_.config.normalize) {
    double squares = 0;
    for (int64_t j = 0; j < dim(); ++j) squares += static_cast<double>(out[j]) * out[j];
    scale = static_cast<float>(1 / std::max(std::sqrt(squares), 1e-12));
  }
  for (int64_t j = 0; j < dim(); ++j) out[j] *= scale;
}

}  // namespace retro
