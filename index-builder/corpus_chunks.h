// The chunks that a corpus is cut into, before there is a store of them: any worker that sees the corpus reads any
// chunk and waits for nobody.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/corpus.h"
#include "retriever/chunk_store.h"

namespace retro {

// Numbers and contents are those of the chunk store of this corpus. Memory: 8 bytes a document. Const methods are safe
// from many threads; the corpus must outlive it.
class CorpusChunks final : public ChunkReader {
 public:
  // REQUIRES: chunk_len > 0
  CorpusChunks(const Corpus& corpus, uint32_t chunk_len);

  uint64_t num_chunks() const override { return first_chunks_.back(); }
  uint64_t num_documents() const override { return first_chunks_.size() - 1; }
  uint32_t chunk_len() const override { return chunk_len_; }
  // Chunks before those of a document; of num_documents() all.
  uint64_t FirstChunk(uint64_t document) const { return first_chunks_[document]; }
  const Corpus& corpus() const { return corpus_; }

  ChunkRecord Get(ChunkId id) const override;
  DocumentInfo Document(DocumentIndex document) const override { return corpus_.Info(document); }
  void ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const override;
  void GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out, std::span<uint32_t> lengths) const override;

 private:
  const Corpus& corpus_;
  uint32_t chunk_len_;
  std::vector<uint64_t> first_chunks_;  // of each document, then the number of chunks
};

}  // namespace retro
