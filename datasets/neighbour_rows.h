// Rows of neighbours on disk: two record files side by side, STEM.ids and STEM.distances, a record of k values for each
// row (docs/formats.md). The form of a neighbour table and of the candidates that it was chosen from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>

#include "core/record_file.h"

namespace retro {

// Stands for a neighbour that there is not: the search or the leakage filter left fewer than were wanted.
inline constexpr uint64_t kNoChunk = std::numeric_limits<uint64_t>::max();
// The distance of a neighbour that there is not.
inline constexpr float kNoDistance = std::numeric_limits<float>::infinity();

// The most neighbours a row may have.
inline constexpr uint32_t kMaxNeighbours = 1 << 16;

// STEM + ".ids" and STEM + ".distances".
std::filesystem::path NeighbourIdsPath(const std::filesystem::path& stem);
std::filesystem::path NeighbourDistancesPath(const std::filesystem::path& stem);

// One thread at a time. Without Finish() no file appears.
class NeighbourRowsWriter {
 public:
  // Throws Error(kInvalidArgument) when k is not 1 to kMaxNeighbours, kIo.
  NeighbourRowsWriter(const std::filesystem::path& stem, uint32_t k);
  // Whole rows. Throws Error(kIo). REQUIRES: ids.size() == distances.size(), a multiple of k
  void Append(std::span<const uint64_t> ids, std::span<const float> distances);
  void Finish();

  uint64_t num_rows() const { return ids_.num_records(); }

 private:
  RecordFileWriter ids_, distances_;
};

// Mapped; const methods are safe from many threads, spans live as long as this object.
class NeighbourRows {
 public:
  // Throws Error(kNotFound, kCorruption) naming the file. The checksums are read only by VerifyChecksums().
  NeighbourRows(const std::filesystem::path& stem, uint32_t k);

  uint64_t num_rows() const { return ids_.num_records(); }
  // k values, best first. REQUIRES: row < num_rows()
  std::span<const uint64_t> Ids(uint64_t row) const { return Row<uint64_t>(ids_, row); }
  std::span<const float> Distances(uint64_t row) const { return Row<float>(distances_, row); }

  // Throws Error(kCorruption) naming the file in which a bit differs.
  void VerifyChecksums() const;

 private:
  template <typename T>
  std::span<const T> Row(const RecordFile& file, uint64_t row) const {
    return file.Records<T>().subspan(row * k_, k_);
  }

  uint32_t k_;
  RecordFile ids_, distances_;
};

}  // namespace retro
