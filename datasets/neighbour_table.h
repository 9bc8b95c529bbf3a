// The neighbour table: for every chunk of every training sequence of a corpus, its nearest database chunks, found
// beforehand (`retro neighbours build`). Row sequence * chunks_per_sequence + u is chunk u of a sequence as
// TokenSequences cuts them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <span>

#include "core/manifest.h"

namespace retro {

// Stands for a neighbour that there is not: the leakage filter left fewer than were wanted.
inline constexpr uint64_t kNoChunk = std::numeric_limits<uint64_t>::max();

// Mapped; const methods are safe from many threads, spans live as long as the table.
class NeighbourTable {
 public:
  // Verifies manifest and file sizes. Throws Error(kNotFound, kCorruption).
  explicit NeighbourTable(const std::filesystem::path& folder);
  ~NeighbourTable();
  NeighbourTable(NeighbourTable&&) noexcept;

  const Manifest& manifest() const;
  uint64_t num_rows() const;
  uint32_t k() const;        // neighbours a row
  uint32_t seq_len() const;  // of the sequences whose chunks these are
  uint32_t chunk_len() const;

  // ChunkIds of a row's neighbours, best first; kNoChunk from the first one on that there is not.
  // REQUIRES: row < num_rows()
  std::span<const uint64_t> Row(uint64_t row) const;

  // Throws Error(kInvalidArgument) saying what differs when the table was not made from this corpus folder's part, with
  // sequences of this length, against this database folder.
  void RequireMadeFrom(const std::filesystem::path& corpus, const std::string& part, uint32_t seq_len,
                       const std::filesystem::path& database) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
