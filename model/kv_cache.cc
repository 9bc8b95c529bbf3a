#include "model/kv_cache.h"

#include "core/error.h"

namespace retro {

CpuKvCache::CpuKvCache(const DecoderConfig& config, int num_sequences, int64_t capacity)
    : num_layers_(config.num_layers),
      num_kv_heads_(config.num_kv_heads),
      head_dim_(config.head_dim),
      capacity_(capacity),
      retro_(config.retro),
      sequences_(num_sequences) {
  const int64_t floats = 2 * num_layers_ * num_kv_heads_ * capacity_ * head_dim_;
  // Left uninitialized: the system gives a page only when a token reaches it.
  for (Sequence& sequence : sequences_) {
    sequence.rows = std::make_unique_for_overwrite<float[]>(floats);
    if (config.retro) sequence.neighbours = std::make_unique<NeighbourCache>(config, capacity);
  }
}

void CpuKvCache::Truncate(int sequence, int64_t length) {
  if (length < 0 || length > sequences_[sequence].length) {
    Throw(ErrorCode::kInternal, "cannot truncate sequence {} of {} tokens to {}", sequence, sequences_[sequence].length,
          length);
  }
  sequences_[sequence].length = length;
  if (retro_) neighbours(sequence).Truncate(length);
}

bool CpuKvCache::Fits(const DecoderConfig& config) const {
  return num_layers_ == config.num_layers && num_kv_heads_ == config.num_kv_heads && head_dim_ == config.head_dim &&
         capacity_ <= config.context_len && retro_ == config.retro;
}

}  // namespace retro
