// The chunks of a retrieval database, by id: "here is a ChunkId, give me its tokens, its continuation, its document".
// Useful for: neighbours by the batch. Not useful for: scanning a corpus (read the corpus itself).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "datasets/chunk_source.h"
#include "datasets/corpus.h"

namespace retro {

// A chunk as stored. The continuation of chunk `id` is `id + 1` when that belongs to the same document.
struct ChunkRecord {
  ChunkId id;
  DocumentIndex document;
  uint64_t position = 0;  // of its first token in the document
  std::vector<TokenId> tokens;
};

// Who reads a whole store takes so many a call: a few megabytes.
inline constexpr uint64_t kChunksAtOnce = 4096;

// Chunks and documents by number, whether they lie in one store or in several (retriever/parted_chunks.h). Const
// methods are safe from many threads. Methods throw Error(kNotFound) naming an id that is not there, kCorruption when a
// block on disk does not have its checksum, kIo.
class ChunkReader : public ChunkSource {
 public:
  virtual uint64_t num_documents() const = 0;
  virtual ChunkRecord Get(ChunkId id) const = 0;
  virtual DocumentInfo Document(DocumentIndex document) const = 0;
  // Sets `out` to chunks [first, first + count) in order, for verification and for embedding.
  virtual void ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const = 0;
  // Whether the chunk is of a document that was removed: no search finds it, its id is not given to another one.
  virtual bool IsRemoved(ChunkId) const { return false; }
};

// One store on disk. Written in order by ChunkStoreWriter, then read-only; several processes may read it.
class ChunkStore final : public ChunkReader {
 public:
  // Holds what was committed, also when the writer did not come to its end. Throws Error(kNotFound, kCorruption, kIo).
  explicit ChunkStore(const std::filesystem::path& folder);
  ~ChunkStore() override;

  uint64_t num_chunks() const override;
  uint64_t num_documents() const override;
  uint32_t chunk_len() const override;
  void GetNeighbours(std::span<const ChunkId> ids, std::span<TokenId> out, std::span<uint32_t> lengths) const override;

  ChunkRecord Get(ChunkId id) const override;
  DocumentInfo Document(DocumentIndex document) const override;
  void ReadRange(ChunkId first, uint64_t count, std::vector<ChunkRecord>& out) const override;
  // Every document in order, by one pass over the table of documents.
  void ForEachDocument(const std::function<void(DocumentIndex, const DocumentInfo&)>& visit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A block of documents, in numbers that go through the whole store. Records are what holds chunks on disk
// (retriever/chunk_record.h); each block begins a new one.
struct ChunkBlock {
  uint64_t first_document = 0, num_documents = 0;
  uint64_t first_chunk = 0, num_chunks = 0;
  uint64_t first_record = 0, num_records = 0;

  // The empty block after this one.
  ChunkBlock Next() const;
  // A document of so many chunks at its end.
  void Count(uint64_t chunks);
};

// One block of documents as sorted table files beside any store: blocks of one store can be written by many processes,
// each of which knows the numbers that its block begins with. One thread at a time.
class ChunkBlockWriter {
 public:
  // `first`: where it begins, without documents yet. `folder` must be there.
  ChunkBlockWriter(const std::filesystem::path& folder, uint32_t chunk_len, uint32_t vocab_size,
                   const ChunkBlock& first);
  ~ChunkBlockWriter();
  ChunkBlockWriter(ChunkBlockWriter&&) noexcept;

  // A document without tokens is kept, with no chunk. Throws Error(kInvalidArgument) on a token outside the vocabulary.
  void Append(const DocumentInfo& document, std::span<const TokenId> tokens);
  const ChunkBlock& block() const;  // what was appended so far
  // Closes and syncs FOLDER/chunks.sst and FOLDER/documents.sst; a table without a key is not there.
  void Finish();
  // XXH3-64 of all keys and values: equal for equal documents and numbers, which the files' own bytes are not (RocksDB
  // writes into each when and where it was made).
  std::string contents_xxh3() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Documents must come in order. Blocks of documents become sorted table files that are ingested whole, so a killed
// build loses at most the block it was writing. One thread at a time; a second writer of the same store is refused.
class ChunkStoreWriter {
 public:
  // Opens a new store, or one that an earlier writer left: num_documents() and num_chunks() say where to go on. Tokens
  // take 16 bits when vocab_size <= 65536. Throws Error(kInvalidArgument) when the store has another chunk_len or
  // vocab_size; kUnavailable when another writer has it open.
  ChunkStoreWriter(const std::filesystem::path& folder, uint32_t chunk_len, uint32_t vocab_size);
  ~ChunkStoreWriter();

  // Appended so far, committed or not.
  uint64_t num_documents() const;
  uint64_t num_chunks() const;
  // A document without tokens is kept, with no chunk. Throws Error(kInvalidArgument) on a token outside the vocabulary.
  void Append(const DocumentInfo& document, std::span<const TokenId> tokens);
  // Durable from here on. Nothing happens when nothing was appended. After an Error(kIo) the writer is of no more use.
  void CommitBlock();
  // Takes a block that a ChunkBlockWriter finished in `from`; its files stay there (under a second name, or copied).
  // Durable from here on. REQUIRES: it begins where this store ends; no uncommitted document
  void Ingest(const std::filesystem::path& from, const ChunkBlock& block);
  // Closes the store; only the destructor may follow. REQUIRES: no uncommitted document
  void Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
