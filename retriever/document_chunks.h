// Which chunks of a store are a document's, by binary search. Internal to retriever and index-builder.
#pragma once

#include <cstdint>

#include "retriever/chunk_store.h"

namespace retro {

// Documents are asked for in ascending order. One thread at a time; `chunks` must outlive it.
class DocumentChunks {
 public:
  explicit DocumentChunks(const ChunkStore& chunks) : chunks_(chunks) {}

  struct Range {
    uint64_t first = 0, end = 0;  // none when they are equal
  };
  Range Find(DocumentIndex document) {
    const uint64_t first = FirstChunkAtOrAfter(document.value);
    return {first, FirstChunkAtOrAfter(document.value + 1)};
  }

 private:
  uint64_t FirstChunkAtOrAfter(uint64_t document) {
    uint64_t end = chunks_.num_chunks();
    while (begin_ < end) {
      const uint64_t middle = begin_ + (end - begin_) / 2;
      if (chunks_.Get({middle}).document.value < document) {
        begin_ = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin_;
  }

  const ChunkStore& chunks_;
  uint64_t begin_ = 0;
};

}  // namespace retro
