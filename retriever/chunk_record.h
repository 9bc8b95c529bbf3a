// The bytes of a value in the chunk store: up to 32 consecutive chunks of one block, so that a chunk and its
// continuation mostly come with one look-up, and that RocksDB's own tables stay small. Little-endian. Internal to
// retriever.
//
//   u32 num_chunks, u32 token_bytes (2 or 4), u64 first_document, u64 first_ordinal,
//   num_chunks x {u32 document - first_document, u32 begin of its tokens * 2 + (1: last of its document)},
//   the chunks' tokens, one chunk after the other
//
// first_ordinal is the number of the first chunk within its document.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/ids.h"

namespace retro {

constexpr uint32_t kChunksPerRecord = 32;

// One record under construction. One thread at a time.
class ChunkRecordBuilder {
 public:
  explicit ChunkRecordBuilder(uint32_t token_bytes) : token_bytes_(token_bytes) {}

  uint32_t num_chunks() const { return num_chunks_; }
  bool full() const { return num_chunks_ == kChunksPerRecord; }
  // REQUIRES: !full(); 1 to 65535 tokens that fit into token_bytes; documents in order.
  void Add(DocumentIndex document, uint64_t ordinal, std::span<const TokenId> tokens, bool last);
  // Returns the bytes and starts anew.
  std::string Take();

 private:
  uint32_t token_bytes_;
  uint32_t num_chunks_ = 0;
  uint64_t first_document_ = 0, first_ordinal_ = 0;
  std::string entries_, tokens_;
};

// One chunk in a record.
struct ChunkEntry {
  uint32_t begin = 0;  // of its tokens within the record's
  uint32_t length = 0;
  bool last = false;  // of its document
};

// Looks at a record's bytes where they are asked for, and lives no longer than they.
class ChunkRecordView {
 public:
  // False when the bytes cannot be a record.
  bool Open(std::string_view bytes);
  uint32_t num_chunks() const { return num_chunks_; }

  // False when the record does not have such a chunk, or not one of 1 to `chunk_len` tokens.
  bool Find(uint32_t index, uint32_t chunk_len, ChunkEntry& entry) const;

  // REQUIRES for all: Find() was true for this index.
  DocumentIndex Document(uint32_t index) const;
  uint64_t Ordinal(uint32_t index) const;  // of the chunk within its document
  // REQUIRES: out has room for entry.length tokens
  void CopyTokens(const ChunkEntry& entry, TokenId* out) const;

 private:
  std::string_view bytes_;
  const char* tokens_ = nullptr;
  uint32_t num_chunks_ = 0, token_bytes_ = 0, num_tokens_ = 0;
};

}  // namespace retro
