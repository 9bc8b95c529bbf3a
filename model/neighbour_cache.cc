#include "model/neighbour_cache.h"

#include <algorithm>
#include <numeric>

namespace retro {

int64_t EncodedNeighbours::num_keys() const { return std::accumulate(lens.begin(), lens.end(), int64_t{0}); }

NeighbourCache::NeighbourCache(const DecoderConfig& config, int64_t capacity)
    : chunk_len_(config.retro->chunk_len),
      hidden_dim_(config.hidden_dim),
      // Left uninitialized: the system gives a page only when a token reaches it.
      activations_(std::make_unique_for_overwrite<float[]>(capacity * config.hidden_dim)) {}

void NeighbourCache::Set(int64_t end, const ChunkNeighbours& neighbours) {
  NeighbourChunk& chunk = chunks_[end];
  chunk = {.end = end, .neighbours = neighbours, .encoded = {}};
  std::erase_if(chunk.neighbours, [](const std::vector<TokenId>& neighbour) { return neighbour.empty(); });
}

void NeighbourCache::Truncate(int64_t length) { chunks_.erase(chunks_.upper_bound(length), chunks_.end()); }

void NeighbourCache::CopyFrom(const NeighbourCache& other, int64_t length) {
  for (const auto& [end, chunk] : other.chunks_) {
    if (end <= length) Set(end, chunk.neighbours);
  }
  std::copy_n(other.activations_.get(), length * hidden_dim_, activations_.get());
}

void NeighbourCache::AppendAttending(int64_t begin, int64_t end, std::vector<Attending>& attending) {
  // The chunk that acts on `begin` is the last one to end at it or before: at begin + 1 tokens.
  auto chunk = chunks_.upper_bound(begin + 1);
  if (chunk != chunks_.begin()) --chunk;
  for (; chunk != chunks_.end() && chunk->first <= end; ++chunk) {
    const auto next = std::next(chunk);
    const int64_t first = std::max(begin, chunk->first - 1);
    const int64_t last = std::min({end, chunk->first - 1 + chunk_len_, next == chunks_.end() ? end : next->first - 1});
    if (first < last && !chunk->second.neighbours.empty()) attending.push_back({&chunk->second, first, last});
  }
}

void NeighbourCache::KeepEncoded(const NeighbourChunk& chunk) {
  for (auto& [end, other] : chunks_) {
    if (&other != &chunk) other.encoded.reset();
  }
}

}  // namespace retro
