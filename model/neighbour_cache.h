// What a CpuDecoder keeps of one sequence for chunked cross-attention: the neighbours that were given, the encoded ones
// of the chunk in use, and the activations that the encoder reads. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "model/decoder_config.h"
#include "model/retrieval.h"

namespace retro {

struct EncodedNeighbours {
  std::vector<int64_t> lens;  // tokens of each neighbour
  std::vector<float> rows;    // of the encoder, [tokens of all, encoder.hidden_dim]
  // Of each CCA layer: [tokens of all, keys and values of the kv heads]; empty until a pass reaches that layer.
  std::vector<std::vector<float>> keys_values;

  int64_t num_keys() const;
};

struct NeighbourChunk {
  int64_t end = 0;             // tokens of the sequence up to the end of the chunk
  ChunkNeighbours neighbours;  // those with tokens
  std::optional<EncodedNeighbours> encoded;
};

class NeighbourCache {
 public:
  // REQUIRES: config.retro
  NeighbourCache(const DecoderConfig& config, int64_t capacity);

  // Those of a chunk that were given before are replaced.
  void Set(int64_t end, const ChunkNeighbours& neighbours);
  // Forgets the neighbours of chunks that end after `length` tokens.
  void Truncate(int64_t length);

  // What `other` had when its sequence had `length` tokens. REQUIRES: nothing was set here yet
  void CopyFrom(const NeighbourCache& other, int64_t length);

  // A chunk and the positions that attend to its neighbours.
  struct Attending {
    NeighbourChunk* chunk;
    int64_t begin, end;
  };
  // Appends those among positions [begin, end) that have neighbours to attend to, in order. A chunk acts from its last
  // token on for chunk_len positions, or until the next chunk that was given closes. Valid until Set or Truncate.
  void AppendAttending(int64_t begin, int64_t end, std::vector<Attending>& attending);

  // The encoded neighbours of all other chunks are dropped; they are encoded again if a truncated sequence comes back.
  void KeepEncoded(const NeighbourChunk& chunk);

  // The activations after the attention's residual of the first CCA layer, [capacity, hidden_dim].
  float* Activations(int64_t position) { return activations_.get() + position * hidden_dim_; }

 private:
  int64_t chunk_len_, hidden_dim_;
  std::map<int64_t, NeighbourChunk> chunks_;  // by their end
  std::unique_ptr<float[]> activations_;
};

}  // namespace retro
