// The neighbour table: for every chunk of every training sequence of a corpus, its nearest database chunks, found
// beforehand (`retro neighbours build`, index-builder/neighbour_builder.h). Row sequence * chunks_per_sequence + u is
// chunk u of a sequence as TokenSequences cuts them.
//
//   neighbours.ids, neighbours.distances   the rows (datasets/neighbour_rows.h)
//   manifest.json                          kind "neighbour table"; docs/formats.md has its fields
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "core/manifest.h"
#include "datasets/neighbour_rows.h"

namespace retro {

// What a table belongs to, and its shape.
struct NeighbourTableOrigin {
  std::filesystem::path corpus;  // the folder
  std::string part = "train";
  std::filesystem::path database;  // the folder
  uint32_t seq_len = 0;            // tokens of the sequences whose chunks have the rows; a multiple of chunk_len
  uint32_t chunk_len = 0;          // of the sequences' chunks and of the database's
  uint32_t k = 0;                  // neighbours a row
};

// The manifest of a table with this origin, without its files and counts. Throws Error(kInvalidArgument) when seq_len
// is not a multiple of chunk_len or k is not 1 to kMaxNeighbours, kNotFound when a folder has no manifest.
Manifest NeighbourTableManifest(const NeighbourTableOrigin& origin);

// Writes a table into a folder that exists. One thread at a time; without Finish() the folder is not a table.
class NeighbourTableWriter {
 public:
  // `manifest`: of NeighbourTableManifest, with options and counts added as wanted.
  NeighbourTableWriter(const std::filesystem::path& folder, Manifest manifest);

  // Whole rows in order, each best first and filled up with kNoChunk and kNoDistance. Throws Error(kIo).
  // REQUIRES: ids.size() == distances.size(), a multiple of k
  void Append(std::span<const uint64_t> ids, std::span<const float> distances) { rows_.Append(ids, distances); }

  // Sets counts "rows", merges `counts`, and saves the manifest, which is returned.
  Manifest Finish(const nlohmann::json& counts = nlohmann::json::object());

 private:
  std::filesystem::path folder_;
  Manifest manifest_;
  NeighbourRowsWriter rows_;
};

// Mapped; const methods are safe from many threads, spans live as long as the table.
class NeighbourTable {
 public:
  // Verifies manifest, file sizes and checksums. Throws Error(kNotFound, kCorruption).
  explicit NeighbourTable(const std::filesystem::path& folder);

  const Manifest& manifest() const { return manifest_; }
  uint64_t num_rows() const { return rows_->num_rows(); }
  uint32_t k() const { return k_; }              // neighbours a row
  uint32_t seq_len() const { return seq_len_; }  // of the sequences whose chunks these are
  uint32_t chunk_len() const { return chunk_len_; }
  uint32_t chunks_per_sequence() const { return seq_len_ / chunk_len_; }

  // ChunkIds of a row's neighbours, best first; kNoChunk from the first one on that there is not.
  // REQUIRES: row < num_rows()
  std::span<const uint64_t> Row(uint64_t row) const { return rows_->Ids(row); }
  // Squared L2 distances between the embeddings of the chunk and of these neighbours, whatever order they are in;
  // kNoDistance where there is none. REQUIRES: row < num_rows()
  std::span<const float> Distances(uint64_t row) const { return rows_->Distances(row); }

  // Throws Error(kInvalidArgument) saying all that differs when the table was not made from this corpus folder's part,
  // with sequences of this length, against this database folder.
  void RequireMadeFrom(const std::filesystem::path& corpus, const std::string& part, uint32_t seq_len,
                       const std::filesystem::path& database) const;

 private:
  std::filesystem::path folder_;
  Manifest manifest_;
  uint32_t k_ = 0, seq_len_ = 0, chunk_len_ = 0;
  std::optional<NeighbourRows> rows_;
};

}  // namespace retro
