// Attention of some rows to the keys and values of others, with relative positions (Borgeaud et al. 2022, equations 4
// to 7): that of a decoder's chunk to its neighbours, and that of a neighbour to the chunk.
#pragma once

#include <cstdint>
#include <span>

#include "model/retro_weights.h"

namespace retro {

// Queries at neighbouring places that see the same keys.
struct CrossAttentionBlock {
  const float* queries = nullptr;  // [num_queries, q_dim()]
  int64_t num_queries = 0;
  int64_t first_query = 0;             // place of the first one
  const float* keys_values = nullptr;  // [keys of all segments, kv_dim()]
  std::span<const int64_t> segment_lens;
  int64_t first_key = 0;  // place of each segment's first key
  float* out = nullptr;   // as queries, which it may not overlap
};

// One softmax over all keys of a block. REQUIRES: every block has a query and a key
void CrossAttend(const CrossAttentionWeights& weights, std::span<const CrossAttentionBlock> blocks, ThreadPool& pool);

}  // namespace retro
