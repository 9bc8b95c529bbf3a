// RETRO's encoder of neighbours on the processor (Borgeaud et al. 2022, section 2.4 and algorithm 1).
// Immutable; const methods may be called from several threads, each with its own pool.
#pragma once

#include <span>
#include <vector>

#include "model/decoder_config.h"
#include "model/retrieval.h"
#include "model/retro_weights.h"

namespace retro {

class CpuNeighbourEncoder {
 public:
  // Both must outlive the encoder. REQUIRES: config.retro
  CpuNeighbourEncoder(const DecoderConfig& config, const NeighbourEncoderWeights& weights);

  // Sets `out` to [tokens of all neighbours, encoder.hidden_dim], one neighbour after the other. `chunk`:
  // [chunk_rows, hidden_dim], the decoder's activations of the last tokens of the chunk that the neighbours belong to;
  // fewer than chunk_len take its last places. REQUIRES: no neighbour is empty or longer than neighbour_len, their
  // tokens are in the vocabulary, 0 < chunk_rows <= chunk_len
  void Encode(const ChunkNeighbours& neighbours, const float* chunk, int64_t chunk_rows, std::vector<float>& out,
              ThreadPool& pool) const;

 private:
  struct Work;
  void Embed(Work& work) const;
  void AttendToItself(const TransformerLayerWeights& layer, Work& work, ThreadPool& pool) const;
  void AttendToChunk(const NeighbourEncoderLayerWeights::Cross& cross, Work& work, ThreadPool& pool) const;
  void FeedForward(const TransformerLayerWeights& layer, Work& work, ThreadPool& pool) const;
  void TurnQueriesAndKeys(Work& work, ThreadPool& pool) const;

  const NeighbourEncoderConfig& encoder() const { return config_.retro->encoder; }
  int64_t q_dim() const { return encoder().num_heads * encoder().head_dim; }
  int64_t qkv_dim() const { return q_dim() + 2 * encoder().num_kv_heads * encoder().head_dim; }

  const DecoderConfig& config_;
  const NeighbourEncoderWeights& weights_;
  std::vector<float> cosines_, sines_;  // [neighbour_len, head_dim / 2]; empty with learned positions
};

}  // namespace retro
