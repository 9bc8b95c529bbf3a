// The chunks' embeddings in 8 bits a value and a scale a row, mapped from disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "core/record_file.h"
#include "retriever/stored_embeddings.h"

namespace retro {

class HalfEmbeddings;

// A record is one row: a scale (float32), then dim values of int8, each the value divided by the scale.
RecordFormat Int8EmbeddingsFormat(int64_t dim);

// One row in that form: the scale is the largest magnitude / 127, values are rounded to the nearest.
// REQUIRES: out.size() == row.size() + 4
void QuantizeRow(std::span<const float> row, std::span<std::byte> out);

// Writes FOLDER/rows of all rows of `embeddings`. Throws Error(kIo), kUnavailable when interrupted.
void WriteInt8Embeddings(const HalfEmbeddings& embeddings, const std::filesystem::path& folder);

// Squared L2 distance of `query` to `scale` times `row`, both `dim` values, in AVX2 where the processor has it.
float Int8Distance(const float* query, const int8_t* row, float scale, int64_t dim);
// The same in plain C++.
float Int8DistancePortable(const float* query, const int8_t* row, float scale, int64_t dim);

class Int8Embeddings final : public StoredEmbeddings {
 public:
  // Maps FOLDER/rows. Throws Error(kNotFound, kCorruption) naming the file.
  Int8Embeddings(const std::filesystem::path& folder, int64_t dim);

  uint64_t size() const override { return file_.num_records(); }
  int64_t dim() const override { return dim_; }
  void Get(ChunkId chunk, std::span<float> out) const override;
  void Distances(std::span<const float> query, std::span<const ChunkId> chunks, std::span<float> out) const override;

 private:
  const std::byte* Row(ChunkId chunk) const;

  int64_t dim_;
  RecordFile file_;
};

}  // namespace retro
