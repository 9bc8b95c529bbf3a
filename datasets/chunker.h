// Documents cut into database chunks: consecutive runs of chunk_len tokens; the last of a document may be short.
#pragma once

#include <cstddef>
#include <cstdint>

namespace retro {

// A database chunk as a range of its document's tokens.
struct ChunkSpan {
  uint64_t begin = 0;
  uint32_t length = 0;
};

inline uint64_t NumChunks(uint64_t document_tokens, uint32_t chunk_len) {
  return (document_tokens + chunk_len - 1) / chunk_len;
}

// REQUIRES: index < NumChunks(document_tokens, chunk_len)
inline ChunkSpan ChunkAt(uint64_t document_tokens, uint32_t chunk_len, uint64_t index) {
  const uint64_t begin = index * chunk_len;
  const uint64_t left = document_tokens - begin;
  return {begin, static_cast<uint32_t>(left < chunk_len ? left : chunk_len)};
}

}  // namespace retro
