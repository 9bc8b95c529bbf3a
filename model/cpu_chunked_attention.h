// RETRO's chunked cross-attention in the passes of a CpuDecoder (Borgeaud et al. 2022, section 2.5, equations 2 to 6):
// the neighbours of a chunk are encoded in the pass that reaches its last token, and from there on the tokens attend to
// them. Immutable.
#pragma once

#include <span>
#include <vector>

#include "model/cpu_neighbour_encoder.h"
#include "model/cpu_pass.h"
#include "model/kv_cache.h"
#include "model/retro_weights.h"

namespace retro {

class CpuChunkedAttention {
 public:
  // Both must outlive it. REQUIRES: config.retro
  CpuChunkedAttention(const DecoderConfig& config, const RetroWeights& weights);

  // To be called for every layer in turn, between its attention and its feed-forward, with the rows of the pass in
  // cache.scratch().hidden. Rows without neighbours are left as they are, bit for bit.
  void RunLayer(CpuKvCache& cache, const Pass& pass, int64_t layer, ThreadPool& pool) const;

 private:
  void StoreActivations(CpuKvCache& cache, const Pass& pass) const;
  // Sets the scratch's attending rows.
  void Plan(CpuKvCache& cache, const Pass& pass) const;
  void EncodeNew(CpuKvCache& cache, ThreadPool& pool) const;
  void Attend(CpuKvCache& cache, size_t cca_layer, ThreadPool& pool) const;
  void ProjectKeysAndValues(CpuKvCache& cache, size_t cca_layer, ThreadPool& pool) const;
  void Release(CpuKvCache& cache, size_t cca_layer) const;

  const DecoderConfig& config_;
  const RetroWeights& weights_;
  CpuNeighbourEncoder encoder_;
};

}  // namespace retro
