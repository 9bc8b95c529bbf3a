// What the choice of neighbours has to know of a whole database beforehand, read from its chunks in one pass: which
// document each chunk is of, and how frequent its tokens are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "index-builder/bm25.h"
#include "retriever/chunk_store.h"

namespace retro {

// A document's id as a number. Two ids that share one (2^-64) would be taken for one document.
using DocumentKey = uint64_t;
DocumentKey KeyOfDocument(std::string_view id);

// Immutable; const methods are safe from many threads. Memory: 16 bytes a document, 16 bytes an entry of the
// vocabulary.
class ChunkSurvey {
 public:
  // Throws Error(kCorruption, kIo) as the store does, kUnavailable when interrupted.
  ChunkSurvey(const ChunkReader& chunks, size_t vocab_size);

  // The document that a chunk is of. REQUIRES: the store has the chunk.
  DocumentKey DocumentOf(ChunkId chunk) const;
  // The collection of all chunks that a search may find, each with its continuation: what a neighbour is to a reader of
  // it.
  const TermStatistics& terms() const { return terms_; }

 private:
  void Add(const ChunkReader& chunks, const std::vector<ChunkRecord>& records, size_t count);

  std::vector<uint64_t> first_chunks_;  // of the documents that have any, in order
  std::vector<DocumentKey> keys_;       // of the same
  TermStatistics terms_;
};

}  // namespace retro
