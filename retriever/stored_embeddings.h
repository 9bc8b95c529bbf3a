// The chunks' embeddings as a database keeps them, to order the few candidates that an index found by their distance.
// Row i is ChunkId i. Half precision (retriever/half_embeddings.h) is exact for this purpose; 8 bits
// (retriever/int8_embeddings.h) take half the disk and cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "core/ids.h"

namespace retro {

// Const methods are safe from many threads.
class StoredEmbeddings {
 public:
  virtual ~StoredEmbeddings() = default;

  virtual uint64_t size() const = 0;
  virtual int64_t dim() const = 0;
  // The row of a chunk in single precision. REQUIRES: chunk.value < size(), out.size() == dim()
  virtual void Get(ChunkId chunk, std::span<float> out) const = 0;
  // Squared L2 distance of `query` to each row of `chunks`.
  // REQUIRES: every chunk < size(), query.size() == dim(), out.size() == chunks.size()
  virtual void Distances(std::span<const float> query, std::span<const ChunkId> chunks, std::span<float> out) const = 0;
};

enum class EmbeddingPrecision { kHalf, kInt8 };

// The folder beside the chunks that has the rows: "embeddings" or "embeddings8".
const char* EmbeddingsFolderName(EmbeddingPrecision precision);

// Throws Error as the constructors of both kinds do.
std::unique_ptr<const StoredEmbeddings> OpenEmbeddings(const std::filesystem::path& folder, int64_t dim,
                                                       EmbeddingPrecision precision);

}  // namespace retro
