#include "model/cpu_neighbour_encoder.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"
#include "model/cross_attention.h"
#include "model/engine_rows.h"
#include "model/kernels/vector_ops.h"

namespace retro {

struct CpuNeighbourEncoder::Work {
  const ChunkNeighbours& neighbours;
  const float* chunk;
  int64_t chunk_rows;
  std::vector<float>& hidden;
  std::vector<int64_t> starts = {0};  // first row of each neighbour, then the number of rows
  std::vector<float> normed, qkv, attended, ffn, memory, keys_values;

  int64_t num_rows() const { return starts.back(); }
};

CpuNeighbourEncoder::CpuNeighbourEncoder(const DecoderConfig& config, const NeighbourEncoderWeights& weights)
    : config_(config), weights_(weights) {
  for (int64_t position = 0; position < config.retro->neighbour_len; ++position) {
    for (const float frequency : weights.rope_frequencies) {
      const float angle = static_cast<float>(position) * frequency;
      cosines_.push_back(std::cos(angle));
      sines_.push_back(std::sin(angle));
    }
  }
}

void CpuNeighbourEncoder::Encode(const ChunkNeighbours& neighbours, const float* chunk, int64_t chunk_rows,
                                 std::vector<float>& out, ThreadPool& pool) const {
  Work work{.neighbours = neighbours,
            .chunk = chunk,
            .chunk_rows = chunk_rows,
            .hidden = out,
            .normed = {},
            .qkv = {},
            .attended = {},
            .ffn = {},
            .memory = {},
            .keys_values = {}};
  for (const auto& neighbour : neighbours) work.starts.push_back(work.starts.back() + std::ssize(neighbour));
  const int64_t rows = work.num_rows(), dim = encoder().hidden_dim;
  work.hidden.resize(rows * dim);
  work.normed.resize(rows * dim);
  work.qkv.resize(rows * qkv_dim());
  work.attended.resize(rows * q_dim());
  work.ffn.resize(rows * encoder().ffn_dim);
  Embed(work);
  for (const TransformerLayerWeights& layer : weights_.shared_layers) {
    AttendToItself(layer, work, pool);
    FeedForward(layer, work, pool);
  }
  for (const NeighbourEncoderLayerWeights& layer : weights_.layers) {
    AttendToItself(layer.layer, work, pool);
    if (layer.cross) AttendToChunk(*layer.cross, work, pool);
    FeedForward(layer.layer, work, pool);
  }
  NormalizeRows(config_, weights_.final_norm, work.hidden.data(), rows, work.hidden.data(), pool);
}

void CpuNeighbourEncoder::Embed(Work& work) const {
  const auto dim = static_cast<size_t>(encoder().hidden_dim);
  float* row = work.hidden.data();
  for (const auto& neighbour : work.neighbours) {
    const float* position = weights_.position_embedding.data();
    for (const TokenId token : neighbour) {
      DequantizeTo(weights_.token_embedding, token * encoder().hidden_dim, {row, dim});
      if (!weights_.position_embedding.empty()) {
        for (size_t i = 0; i < dim; ++i) row[i] += position[i];
        position += dim;
      }
      row += dim;
    }
  }
}

void CpuNeighbourEncoder::AttendToItself(const TransformerLayerWeights& layer, Work& work, ThreadPool& pool) const {
  NormalizeRows(config_, layer.attention_norm, work.hidden.data(), work.num_rows(), work.normed.data(), pool);
  layer.qkv.Apply(work.normed.data(), work.num_rows(), work.qkv.data(), Activation::kNone, pool);
  if (!cosines_.empty()) TurnQueriesAndKeys(work, pool);
  const int64_t head_dim = encoder().head_dim, num_kv_heads = encoder().num_kv_heads;
  const int64_t group = encoder().num_heads / num_kv_heads;
  pool.ParallelFor(work.neighbours.size() * num_kv_heads, [&](size_t task) {
    const int64_t begin = work.starts[task / num_kv_heads], end = work.starts[task / num_kv_heads + 1];
    const int64_t kv_head = static_cast<int64_t>(task) % num_kv_heads;
    const float* rows = work.qkv.data() + begin * qkv_dim();
    AttentionArgs args;
    args.queries = rows + kv_head * group * head_dim;
    args.keys = rows + q_dim() + kv_head * head_dim;
    args.values = args.keys + num_kv_heads * head_dim;
    args.query_stride = args.key_stride = args.value_stride = qkv_dim();
    args.num_queries = args.num_keys = end - begin;
    args.num_heads = group;
    args.head_dim = head_dim;
    args.causal = encoder().shared_layers;
    args.scale = 1 / std::sqrt(static_cast<float>(head_dim));
    args.out = work.attended.data() + begin * q_dim() + kv_head * group * head_dim;
    args.out_stride = q_dim();
    Attention(args);
  });
  layer.attention_out.AddTo(work.attended.data(), work.num_rows(), work.hidden.data(), pool);
}

void CpuNeighbourEncoder::TurnQueriesAndKeys(Work& work, ThreadPool& pool) const {
  const int64_t head_dim = encoder().head_dim, num_turned = encoder().num_heads + encoder().num_kv_heads;
  pool.ParallelFor(work.neighbours.size(), [&](size_t i) {
    for (int64_t row = work.starts[i]; row < work.starts[i + 1]; ++row) {
      const int64_t angle = (row - work.starts[i]) * (head_dim / 2);
      ApplyRotary(work.qkv.data() + row * qkv_dim(), num_turned, head_dim, &cosines_[angle], &sines_[angle],
                  weights_.rotary_pairing);
    }
  });
}

void CpuNeighbourEncoder::AttendToChunk(const NeighbourEncoderLayerWeights::Cross& cross, Work& work,
                                        ThreadPool& pool) const {
  const CrossAttentionWeights& attention = cross.attention;
  Reserve(work.memory, work.chunk_rows * config_.hidden_dim);
  Reserve(work.keys_values, work.chunk_rows * attention.kv_dim());
  NormalizeRows(config_, cross.memory_norm, work.chunk, work.chunk_rows, work.memory.data(), pool);
  attention.kv.Apply(work.memory.data(), work.chunk_rows, work.keys_values.data(), Activation::kNone, pool);
  NormalizeRows(config_, cross.norm, work.hidden.data(), work.num_rows(), work.normed.data(), pool);
  attention.q.Apply(work.normed.data(), work.num_rows(), work.qkv.data(), Activation::kNone, pool);
  std::vector<CrossAttentionBlock> blocks;
  for (size_t i = 0; i < work.neighbours.size(); ++i) {
    blocks.push_back({.queries = work.qkv.data() + work.starts[i] * q_dim(),
                      .num_queries = work.starts[i + 1] - work.starts[i],
                      .first_query = 0,
                      .keys_values = work.keys_values.data(),
                      .segment_lens = {&work.chunk_rows, 1},
                      .first_key = config_.retro->chunk_len - work.chunk_rows,
                      .out = work.attended.data() + work.starts[i] * q_dim()});
  }
  CrossAttend(attention, blocks, pool);
  attention.out.AddTo(work.attended.data(), work.num_rows(), work.hidden.data(), pool);
}

void CpuNeighbourEncoder::FeedForward(const TransformerLayerWeights& layer, Work& work, ThreadPool& pool) const {
  NormalizeRows(config_, layer.ffn_norm, work.hidden.data(), work.num_rows(), work.normed.data(), pool);
  layer.ffn_in.Apply(work.normed.data(), work.num_rows(), work.ffn.data(), FfnActivation(config_.ffn), pool);
  layer.ffn_out.AddTo(work.ffn.data(), work.num_rows(), work.hidden.data(), pool);
}

}  // namespace retro
