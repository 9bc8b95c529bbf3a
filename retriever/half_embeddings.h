// The chunks' embeddings in half precision, mapped from disk: exact distances for the few candidates that an index
// found. Row i is ChunkId i. Written in blocks by index-builder (record files of kind "embeddings", docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/ids.h"
#include "core/record_file.h"
#include "retriever/stored_embeddings.h"

namespace retro {

// A record is one row: dim values of IEEE 754 binary16.
RecordFormat EmbeddingsFormat(int64_t dim);

// FOLDER/block-00007.embeddings
std::filesystem::path EmbeddingsBlockPath(const std::filesystem::path& folder, uint64_t block);

// Rounds to the nearest, ties to even; what is too large becomes infinity. REQUIRES: values.size() == out.size()
void FloatToHalf(std::span<const float> values, std::span<uint16_t> out);
void HalfToFloat(std::span<const uint16_t> values, std::span<float> out);

class HalfEmbeddings final : public StoredEmbeddings {
 public:
  // Maps block-00000.embeddings and those that follow without a gap; all rows of a block come after those of the block
  // before it. Throws Error(kNotFound) when there is no block, kCorruption naming the file that is not one or has
  // another dim, or when a number is missing in the sequence.
  HalfEmbeddings(const std::filesystem::path& folder, int64_t dim);
  // The same of blocks wherever they lie, in their order.
  HalfEmbeddings(std::span<const std::filesystem::path> blocks, int64_t dim);

  uint64_t size() const override { return starts_.back(); }
  int64_t dim() const override { return dim_; }
  void Get(ChunkId chunk, std::span<float> out) const override;

  // The row of a chunk, valid as long as this object. REQUIRES: chunk.value < size()
  std::span<const uint16_t> Row(ChunkId chunk) const;

  void Distances(std::span<const float> query, std::span<const ChunkId> chunks, std::span<float> out) const override;

 private:
  int64_t dim_ = 0;
  std::vector<RecordFile> blocks_;
  std::vector<const uint16_t*> rows_;  // of each block
  std::vector<uint64_t> starts_;       // first row of each block, then the number of rows
};

}  // namespace retro
