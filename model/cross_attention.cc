#include "model/cross_attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/thread_pool.h"
#include "model/kernels/thread_buffer.h"
#include "model/kernels/vector_ops.h"

namespace retro {
namespace {

// Queries of one task: their scores of positions, one for each key and head, stay in the cache.
constexpr int64_t kQueriesPerTask = 32;

// Queries [begin, end) of a block and the heads that share one head of keys and values.
void AttendGroup(const CrossAttentionWeights& weights, const CrossAttentionBlock& block, int64_t kv_head, int64_t begin,
                 int64_t end) {
  const int64_t head_dim = weights.head_dim, group = weights.num_heads / weights.num_kv_heads;
  const int64_t first_head = kv_head * group, at = begin * weights.q_dim() + first_head * head_dim;
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  const int64_t num_keys = std::accumulate(block.segment_lens.begin(), block.segment_lens.end(), int64_t{0});
  thread_local kernels::ThreadBuffer<float> buffer;
  float* positions = buffer.Get((end - begin) * group * num_keys);
  weights.positions.Scores({.queries = block.queries + at,
                            .query_stride = weights.q_dim(),
                            .num_queries = end - begin,
                            .first_query = block.first_query + begin,
                            .first_head = first_head,
                            .num_heads = group,
                            .segment_lens = block.segment_lens,
                            .first_key = block.first_key,
                            .scale = scale,
                            .scores = positions});
  AttentionArgs args;
  args.queries = block.queries + at;
  args.query_stride = args.out_stride = weights.q_dim();
  args.num_queries = end - begin;
  args.num_heads = group;
  args.head_dim = head_dim;
  args.keys = block.keys_values + kv_head * head_dim;
  args.values = args.keys + weights.num_kv_heads * head_dim;
  args.key_stride = args.value_stride = weights.kv_dim();
  args.num_keys = num_keys;
  args.scale = scale;
  args.bias = positions;
  args.bias_stride = num_keys;
  args.out = block.out + at;
  Attention(args);
}

}  // namespace

void CrossAttend(const CrossAttentionWeights& weights, std::span<const CrossAttentionBlock> blocks, ThreadPool& pool) {
  struct Task {
    const CrossAttentionBlock* block;
    int64_t kv_head, begin, end;
  };
  thread_local std::vector<Task> tasks;
  tasks.clear();
  for (const CrossAttentionBlock& block : blocks) {
    for (int64_t begin = 0; begin < block.num_queries; begin += kQueriesPerTask) {
      const int64_t end = std::min(begin + kQueriesPerTask, block.num_queries);
      for (int64_t head = 0; head < weights.num_kv_heads; ++head) tasks.push_back({&block, head, begin, end});
    }
  }
  const std::vector<Task>& all = tasks;
  pool.ParallelFor(all.size(),
                   [&](size_t i) { AttendGroup(weights, *all[i].block, all[i].kv_head, all[i].begin, all[i].end); });
}

}  // namespace retro
