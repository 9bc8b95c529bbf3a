// Keys and values of a CpuDecoder's sequences in fp32, and the buffers that its passes work in, kept so that a token
// allocates nothing. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/decoder.h"
#include "model/neighbour_cache.h"

namespace retro {

// Neighbouring rows of a pass that attend to the neighbours of one chunk.
struct AttendingRows {
  int sequence;
  NeighbourChunk* chunk;
  int64_t row, num_rows;  // of the pass
  int64_t place;          // of the first one: 0 is the chunk's last token
  bool last_of_sequence;  // no other chunk of the sequence follows in the pass
};

class CpuKvCache final : public KvCache {
 public:
  // REQUIRES: num_sequences > 0, 0 < capacity
  CpuKvCache(const DecoderConfig& config, int num_sequences, int64_t capacity);

  int num_sequences() const override { return static_cast<int>(sequences_.size()); }
  int64_t length(int sequence) const override { return sequences_[sequence].length; }
  int64_t capacity() const override { return capacity_; }
  void Truncate(int sequence, int64_t length) override;

  // Row 0 of the keys or the values of a layer and key-value head: [capacity, head_dim], rows one after the other.
  float* Keys(int sequence, int64_t layer, int64_t kv_head) { return At(sequence, 2 * layer, kv_head); }
  float* Values(int sequence, int64_t layer, int64_t kv_head) { return At(sequence, 2 * layer + 1, kv_head); }

  // REQUIRES: the decoder has chunked cross-attention
  NeighbourCache& neighbours(int sequence) { return *sequences_[sequence].neighbours; }

  // The rows that a pass wrote after the first length(sequence) ones count from now on.
  void Advance(int sequence, int64_t num_tokens) { sequences_[sequence].length += num_tokens; }

  // What this cache was made for; a decoder refuses the cache of another one.
  bool Fits(const DecoderConfig& config) const;

  // Work space of one pass, [rows, width] each; grows to the largest pass.
  struct Scratch {
    std::vector<float> hidden, normed, qkv, attended, ffn;
    std::vector<float> cosines, sines;  // [rows, head_dim / 2]
    std::vector<AttendingRows> attending;
  };
  Scratch& scratch() { return scratch_; }

 private:
  struct Sequence {
    std::unique_ptr<float[]> rows;               // [num_layers, keys and values, num_kv_heads, capacity, head_dim]
    std::unique_ptr<NeighbourCache> neighbours;  // null without chunked cross-attention
    int64_t length = 0;
  };

  float* At(int sequence, int64_t slab, int64_t kv_head) {
    return sequences_[sequence].rows.get() + (slab * num_kv_heads_ + kv_head) * capacity_ * head_dim_;
  }

  int64_t num_layers_, num_kv_heads_, head_dim_, capacity_;
  std::optional<RetroConfig> retro_;
  std::vector<Sequence> sequences_;
  Scratch scratch_;
};

}  // namespace retro
