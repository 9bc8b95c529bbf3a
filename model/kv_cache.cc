#include "model/kv_cache.h"

#include <algorithm>
#include <new>

#include "core/error.h"
#include "model/kernels/vector_ops.h"

namespace retro {
namespace {

int64_t WholePanels(int64_t tokens) { return (tokens + kKeyPanel - 1) / kKeyPanel * kKeyPanel; }

}  // namespace

CpuKvCache::CpuKvCache(const DecoderConfig& config, int num_sequences, int64_t capacity)
    : config_(config), capacity_(capacity) {
  for (int i = 0; i < num_sequences; ++i) sequences_.push_back(NewSequence(capacity));
}

CpuKvCache::Sequence CpuKvCache::NewSequence(int64_t capacity) const {
  Sequence sequence;
  sequence.capacity = capacity;
  // Left uninitialized: the system gives a page only when a token reaches it.
  sequence.rows = std::make_unique_for_overwrite<float[]>(num_slabs() * SlabSize(sequence));
  if (config_.retro) sequence.neighbours = std::make_unique<NeighbourCache>(config_, capacity);
  return sequence;
}

int64_t CpuKvCache::SlabSize(const Sequence& sequence) const {
  return WholePanels(sequence.capacity) * config_.head_dim;
}

void CpuKvCache::Truncate(int sequence, int64_t length) {
  if (length < 0 || length > sequences_[sequence].length) {
    Throw(ErrorCode::kInternal, "cannot truncate sequence {} of {} tokens to {}", sequence, sequences_[sequence].length,
          length);
  }
  sequences_[sequence].length = length;
  if (config_.retro) neighbours(sequence).Truncate(length);
}

int CpuKvCache::Add(int64_t capacity) {
  if (capacity < 1 || capacity > capacity_) {
    Throw(ErrorCode::kInvalidArgument, "a sequence of {} tokens: the cache takes those of 1 to {}", capacity,
          capacity_);
  }
  auto place = std::ranges::find(sequences_, 0, &Sequence::capacity);
  try {
    Sequence sequence = NewSequence(capacity);
    if (place == sequences_.end()) place = sequences_.emplace(place);
    *place = std::move(sequence);
  } catch (const std::bad_alloc&) {
    Throw(ErrorCode::kUnavailable, "no memory for a sequence of {} tokens: ask for a shorter one, or for fewer",
          capacity);
  }
  return static_cast<int>(place - sequences_.begin());
}

void CpuKvCache::Remove(int sequence) { sequences_[sequence] = {}; }

void CpuKvCache::CopyTokens(int from, int64_t length, int to) {
  const Sequence& source = sequences_[from];
  Sequence& target = sequences_[to];
  if (from == to || length < 0 || length > source.length || length > target.capacity || target.length != 0) {
    Throw(ErrorCode::kInternal, "cannot copy {} tokens of sequence {} with {} to sequence {} with {} of {}", length,
          from, source.length, to, target.length, target.capacity);
  }
  // Values of a panel's further tokens are copied with it; they are written before anything reads them.
  const int64_t count = WholePanels(length) * config_.head_dim;
  for (int64_t slab = 0; slab < num_slabs(); ++slab) {
    std::copy_n(source.rows.get() + slab * SlabSize(source), count, target.rows.get() + slab * SlabSize(target));
  }
  if (config_.retro) target.neighbours->CopyFrom(*source.neighbours, length);
  target.length = length;
}

bool CpuKvCache::Fits(const DecoderConfig& config) const {
  return config_.num_layers == config.num_layers && config_.num_kv_heads == config.num_kv_heads &&
         config_.head_dim == config.head_dim && capacity_ <= config.context_len && config_.retro == config.retro;
}

}  // namespace retro
