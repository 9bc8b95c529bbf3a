// Where neighbours' tokens come from, for those who must not know the database.
#pragma once

#include <cstdint>
#include <span>

#include "core/ids.h"

namespace retro {

// Const methods are safe from many threads.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual uint64_t num_chunks() const = 0;
  virtual uint32_t chunk_len() const = 0;
  // For each id the chunk's tokens, then those of its continuation, to out[i * 2 * chunk_len()…]; lengths[i] is their
  // number: fewer than 2 * chunk_len() when the document ends first, and what follows in `out` is not touched. Throws
  // Error(kNotFound) for an id that the store lacks. REQUIRES: out.size() == ids.size() * 2 * chunk_len(),
  // lengths.size() == ids.size()
  virtual void GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out,
                             std::span<uint32_t> lengths) const = 0;
};

}  // namespace retro
