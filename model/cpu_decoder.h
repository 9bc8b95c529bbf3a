// The processor's engine behind Decoder: one network for GPT-2 and LLaMA, with or without RETRO's
// chunked cross-attention. The rows of all inputs of a call run as one
// matrix; long calls go in passes of a bounded number of rows, so that activations stay in the processor's caches.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/cpu_chunked_attention.h"
#include "model/cpu_decoder_weights.h"
#include "model/cpu_pass.h"
#include "model/decoder.h"
#include "model/kv_cache.h"
#include "model/model_files.h"

namespace retro {

class CpuDecoder final : public Decoder {
 public:
  CpuDecoder(DecoderSource source, WeightPrecision precision, ThreadPool& pool);

  const DecoderConfig& config() const override { return source_.config; }
  uint64_t num_parameters() const override { return weights_.num_parameters; }
  uint64_t weight_bytes() const override { return weights_.bytes; }
  std::unique_ptr<KvCache> NewCache(int num_sequences, int64_t capacity) const override;
  void SetNeighbours(KvCache& cache, int sequence, int64_t end, const ChunkNeighbours& neighbours) const override;
  void Forward(KvCache& cache, std::span<const SequenceInput> inputs, LogitsFor which, std::vector<float>& logits,
               ThreadPool& pool) const override;

 private:
  void CheckNeighbours(const CpuKvCache& cache, int sequence, int64_t end, const ChunkNeighbours& neighbours) const;
  void Check(const CpuKvCache& cache, std::span<const SequenceInput> inputs) const;
  static std::vector<Pass> SplitIntoPasses(const CpuKvCache& cache, std::span<const SequenceInput> inputs,
                                           LogitsFor which);

  // The final hidden rows of a pass are left in scratch().hidden.
  void RunLayers(CpuKvCache& cache, const Pass& pass, ThreadPool& pool) const;
  void Embed(CpuKvCache& cache, const Pass& pass) const;
  void SetAngles(CpuKvCache& cache, const Pass& pass) const;
  void Attend(CpuKvCache& cache, const Pass& pass, int64_t layer, ThreadPool& pool) const;
  // Turns queries and keys [begin, end) of a run to their positions and copies keys and values into the cache.
  void StoreKeysAndValues(CpuKvCache& cache, const PassRun& run, int64_t begin, int64_t end, int64_t layer) const;
  // The queries [begin, end) of a run that share one key-value head.
  void AttendBlock(CpuKvCache& cache, const PassRun& run, int64_t layer, int64_t kv_head, int64_t begin,
                   int64_t end) const;
  // Sets a row of `logits` for each row of the pass that is wanted; returns how many.
  int64_t Project(CpuKvCache& cache, const Pass& pass, float* logits, ThreadPool& pool) const;

  int64_t qkv_dim() const { return (config().num_heads + 2 * config().num_kv_heads) * config().head_dim; }

  DecoderSource source_;
  DecoderWeights weights_;
  std::optional<CpuChunkedAttention> chunked_attention_;
};

}  // namespace retro
