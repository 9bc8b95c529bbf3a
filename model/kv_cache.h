// Keys and values of a CpuDecoder's sequences in fp32, and the buffers that its passes work in, kept so that a token
// allocates nothing. Keys lie in panels of 16 tokens (StoreKey), as attention reads them. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
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
  // REQUIRES: num_sequences >= 0, 0 < capacity
  CpuKvCache(const DecoderConfig& config, int num_sequences, int64_t capacity);

  int num_sequences() const override { return static_cast<int>(sequences_.size()); }
  int64_t length(int sequence) const override { return sequences_[sequence].length; }
  int64_t capacity() const override { return capacity_; }
  void Truncate(int sequence, int64_t length) override;
  int Add(int64_t capacity) override;
  void Remove(int sequence) override;
  void CopyTokens(int from, int64_t length, int to) override;

  // Most tokens of this sequence; 0 when it was removed.
  int64_t capacity_of(int sequence) const { return sequences_[sequence].capacity; }

  // The keys of a layer and key-value head: panels of 16 tokens, [head_dim, 16] each.
  float* Keys(int sequence, int64_t layer, int64_t kv_head) { return At(sequence, 2 * layer, kv_head); }
  // Their values: [tokens, head_dim], rows one after the other.
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
    std::unique_ptr<float[]> rows;               // [num_layers, keys and values, num_kv_heads, whole panels, head_dim]
    std::unique_ptr<NeighbourCache> neighbours;  // null without chunked cross-attention
    int64_t length = 0, capacity = 0;
  };

  Sequence NewSequence(int64_t capacity) const;
  // Floats of the keys or values of a layer and head.
  int64_t SlabSize(const Sequence& sequence) const;
  int64_t num_slabs() const { return 2 * config_.num_layers * config_.num_kv_heads; }
  float* At(int sequence, int64_t slab, int64_t kv_head) {
    const Sequence& of = sequences_[sequence];
    return of.rows.get() + (slab * config_.num_kv_heads + kv_head) * SlabSize(of);
  }

  DecoderConfig config_;
  int64_t capacity_;
  std::vector<Sequence> sequences_;
  Scratch scratch_;
};

}  // namespace retro
