// The chunks of all parts of a retrieval database as one store: numbers go through the parts in their order, a document
// and so a continuation is always of one part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "retriever/chunk_store.h"
#include "retriever/generation.h"

namespace retro {

// The chunks of one part that belong to removed documents. Const methods are safe from many threads.
class RemovedChunks {
 public:
  // Of part `part` in the list of removed documents.
  RemovedChunks(std::span<const RemovedDocument> removed, size_t part);

  uint64_t count() const { return count_; }
  bool Contains(uint64_t chunk) const;  // the part's own number

 private:
  std::vector<std::pair<uint64_t, uint64_t>> ranges_;  // first chunk and the one after the last, ascending
  uint64_t count_ = 0;
};

// Const methods are safe from many threads. Chunks of removed documents can still be read by their id.
class PartedChunks final : public ChunkReader {
 public:
  struct Part {
    std::shared_ptr<const ChunkStore> chunks;
    RemovedChunks removed;
  };
  // Throws Error(kInvalidArgument) when the parts have chunks of different lengths. REQUIRES: !parts.empty()
  explicit PartedChunks(std::vector<Part> parts);

  uint64_t num_chunks() const override { return first_chunks_.back(); }
  uint64_t num_documents() const override { return first_documents_.back(); }
  uint32_t chunk_len() const override { return parts_.front().chunks->chunk_len(); }
  void GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out, std::span<uint32_t> lengths) const override;
  ChunkRecord Get(ChunkId id) const override;
  DocumentInfo Document(DocumentIndex document) const override;
  void ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const override;
  bool IsRemoved(ChunkId id) const override;

  size_t num_parts() const { return parts_.size(); }
  const Part& part(size_t index) const { return parts_[index]; }
  ChunkId first_chunk(size_t part) const { return {first_chunks_[part]}; }
  uint64_t num_removed_chunks() const;

 private:
  size_t PartOf(ChunkId id) const;

  std::vector<Part> parts_;
  std::vector<uint64_t> first_chunks_, first_documents_;  // of each part, then the number of all
};

// The chunks of the database in `folder` without its indexes, for which no encoder is needed; checksums of all files
// are verified. `tokenizer`: the fingerprint that it must have been built with; empty: any. Throws Error as
// RetrievalDatabase does.
std::unique_ptr<PartedChunks> OpenChunks(const std::filesystem::path& folder, const std::string& tokenizer = "");

}  // namespace retro
