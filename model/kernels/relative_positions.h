// Scores of how far a query and a key are apart, in the form of Transformer-XL (Dai et al. 2019, arXiv 1901.02860,
// section 3.3), which RETRO's cross-attentions use (Borgeaud et al. 2022, equations 6 and 7):
//
//     score(i, j) = scale * (q_i + bias_h) . (W R(distance of i and j))_h
//
// Packed once, immutable, safe to share.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kernels/matmul.h"

namespace retro {

// Queries are at places 0 to num_queries - 1, keys at 0 to num_keys - 1; query i and key j are
// `first_distance` - (num_queries - 1 - i + j) apart.
struct DistanceRange {
  int64_t first_distance = 0;
  int64_t num_queries = 0, num_keys = 0;

  int64_t num_distances() const { return num_queries + num_keys - 1; }
};

// Some neighbouring queries, their heads of one group, and keys in segments whose places begin anew.
struct RelativeScoresArgs {
  const float* queries = nullptr;  // head g of query i at i * query_stride + g * head_dim
  int64_t query_stride = 0;
  int64_t num_queries = 0;
  int64_t first_query = 0;  // place of the first one
  int64_t first_head = 0, num_heads = 0;
  std::span<const int64_t> segment_lens;
  int64_t first_key = 0;  // place of each segment's first key
  float scale = 1;
  float* scores = nullptr;  // [num_queries, num_heads, keys of all segments], as AttentionArgs::bias wants them
};

class RelativePositions {
 public:
  RelativePositions() = default;
  // `weight`: W [num_heads * head_dim, width]; `bias`: [num_heads, head_dim]. R(d) are `width` sines and cosines in
  // turn: R(d)[2n] = sin(d / 10000^(2n / width)), R(d)[2n + 1] = cos of the same. REQUIRES: width is even
  RelativePositions(const DistanceRange& range, const PackedMatrix& weight, std::span<const float> bias,
                    int64_t head_dim, ThreadPool& pool);

  // On the calling thread. REQUIRES: all places are inside the range
  void Scores(const RelativeScoresArgs& args) const;
  uint64_t bytes() const { return panels_.size() * sizeof(float); }

 private:
  void Pack(std::span<const float> rows, int64_t num_heads);
  void HeadScores(const RelativeScoresArgs& args, int64_t head, int64_t num_keys) const;

  DistanceRange range_;
  int64_t head_dim_ = 0, num_panels_ = 0;
  std::vector<float> panels_;  // [num_heads, num_panels, head_dim, 16 distances]
  std::vector<float> bias_;    // [num_heads, head_dim]
};

}  // namespace retro
