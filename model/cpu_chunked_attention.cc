#include "model/cpu_chunked_attention.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "model/cross_attention.h"
#include "model/engine_rows.h"

namespace retro {

CpuChunkedAttention::CpuChunkedAttention(const DecoderConfig& config, const RetroWeights& weights)
    : config_(config), weights_(weights), encoder_(config, weights.encoder) {}

void CpuChunkedAttention::RunLayer(CpuKvCache& cache, const Pass& pass, int64_t layer, ThreadPool& pool) const {
  const std::vector<int64_t>& layers = config_.retro->cca_layers;
  if (layer == layers.front()) {
    StoreActivations(cache, pass);
    Plan(cache, pass);
    EncodeNew(cache, pool);
  }
  const auto found = std::ranges::find(layers, layer);
  if (found == layers.end() || cache.scratch().attending.empty()) return;
  const size_t cca_layer = found - layers.begin();
  ProjectKeysAndValues(cache, cca_layer, pool);
  Attend(cache, cca_layer, pool);
  Release(cache, cca_layer);
}

void CpuChunkedAttention::StoreActivations(CpuKvCache& cache, const Pass& pass) const {
  const int64_t dim = config_.hidden_dim;
  for (const PassRun& run : pass) {
    std::copy_n(cache.scratch().hidden.data() + run.row * dim, std::ssize(run.tokens) * dim,
                cache.neighbours(run.sequence).Activations(run.position));
  }
}

void CpuChunkedAttention::Plan(CpuKvCache& cache, const Pass& pass) const {
  auto& attending = cache.scratch().attending;
  attending.clear();
  thread_local std::vector<NeighbourCache::Attending> of_run;
  for (const PassRun& run : pass) {
    of_run.clear();
    cache.neighbours(run.sequence).AppendAttending(run.position, run.position + std::ssize(run.tokens), of_run);
    for (const auto& [chunk, begin, end] : of_run) {
      attending.push_back({.sequence = run.sequence,
                           .chunk = chunk,
                           .row = run.row + begin - run.position,
                           .num_rows = end - begin,
                           .place = begin - (chunk->end - 1),
                           .last_of_sequence = chunk == of_run.back().chunk});
    }
  }
}

void CpuChunkedAttention::EncodeNew(CpuKvCache& cache, ThreadPool& pool) const {
  for (const AttendingRows& rows : cache.scratch().attending) {
    NeighbourChunk& chunk = *rows.chunk;
    if (chunk.encoded) continue;
    EncodedNeighbours& encoded = chunk.encoded.emplace();
    encoded.keys_values.resize(config_.retro->cca_layers.size());
    for (const auto& neighbour : chunk.neighbours) encoded.lens.push_back(std::ssize(neighbour));
    const int64_t chunk_rows = std::min(config_.retro->chunk_len, chunk.end);
    const float* activations = cache.neighbours(rows.sequence).Activations(chunk.end - chunk_rows);
    encoder_.Encode(chunk.neighbours, activations, chunk_rows, encoded.rows, pool);
  }
}

void CpuChunkedAttention::ProjectKeysAndValues(CpuKvCache& cache, size_t cca_layer, ThreadPool& pool) const {
  const CrossAttentionWeights& attention = weights_.cca[cca_layer].attention;
  for (const AttendingRows& rows : cache.scratch().attending) {
    EncodedNeighbours& encoded = *rows.chunk->encoded;
    std::vector<float>& keys_values = encoded.keys_values[cca_layer];
    if (!keys_values.empty()) continue;
    keys_values.resize(encoded.num_keys() * attention.kv_dim());
    attention.kv.Apply(encoded.rows.data(), encoded.num_keys(), keys_values.data(), Activation::kNone, pool);
  }
}

// The rows that attend are taken out of the pass, one after the other, and their results added to it.
void CpuChunkedAttention::Attend(CpuKvCache& cache, size_t cca_layer, ThreadPool& pool) const {
  const ChunkedAttentionWeights& cca = weights_.cca[cca_layer];
  const CrossAttentionWeights& attention = cca.attention;
  const int64_t dim = config_.hidden_dim;
  auto& scratch = cache.scratch();
  thread_local std::vector<CrossAttentionBlock> blocks;
  blocks.clear();
  int64_t num_rows = 0;
  for (const AttendingRows& rows : scratch.attending) {
    for (int64_t i = 0; i < rows.num_rows; ++i) {
      NormalizeRow(config_, cca.norm, &scratch.hidden[(rows.row + i) * dim], &scratch.normed[(num_rows + i) * dim]);
    }
    const EncodedNeighbours& encoded = *rows.chunk->encoded;
    blocks.push_back({.queries = scratch.qkv.data() + num_rows * attention.q_dim(),
                      .num_queries = rows.num_rows,
                      .first_query = rows.place,
                      .keys_values = encoded.keys_values[cca_layer].data(),
                      .segment_lens = encoded.lens,
                      .first_key = 0,
                      .out = scratch.attended.data() + num_rows * attention.q_dim()});
    num_rows += rows.num_rows;
  }
  attention.q.Apply(scratch.normed.data(), num_rows, scratch.qkv.data(), Activation::kNone, pool);
  CrossAttend(attention, blocks, pool);
  attention.out.Apply(scratch.attended.data(), num_rows, scratch.normed.data(), Activation::kNone, pool);
  const float* from = scratch.normed.data();
  for (const AttendingRows& rows : scratch.attending) {
    float* to = scratch.hidden.data() + rows.row * dim;
    for (int64_t i = 0; i < rows.num_rows * dim; ++i) to[i] += cca.scale * from[i];
    from += rows.num_rows * dim;
  }
}

// What no later pass needs: keys and values of chunks that another one follows, and at the end the rows themselves.
void CpuChunkedAttention::Release(CpuKvCache& cache, size_t cca_layer) const {
  const bool last_layer = cca_layer + 1 == config_.retro->cca_layers.size();
  for (const AttendingRows& rows : cache.scratch().attending) {
    EncodedNeighbours& encoded = *rows.chunk->encoded;
    if (!rows.last_of_sequence) encoded.keys_values[cca_layer] = {};
    if (!last_layer || encoded.rows.empty()) continue;
    encoded.rows = {};
    if (rows.last_of_sequence) cache.neighbours(rows.sequence).KeepEncoded(*rows.chunk);
  }
}

}  // namespace retro
