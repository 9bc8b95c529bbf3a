// Codes of vectors apart from the index that they go into, so that blocks of them can be made anywhere, and an index
// file that is written from them list by list. Internal to retriever.
#pragma once

#include <faiss/IndexIVF.h>

#include <memory>
#include <span>

#include "retriever/vector_index.h"

namespace retro {

// The part of an index that has lists, behind its transforms; null when it has none.
faiss::IndexIVF* FindIvf(faiss::Index& index);

// REQUIRES: FindIvf() finds one, which is trained; whole vectors
VectorCodes EncodeVectors(faiss::Index& index, std::span<const float> vectors);

// While it lives, the lists of an empty index are those that `read` gives; the index can be written once and do nothing
// else.
class FilledLists {
 public:
  // As VectorIndex::SaveFilled.
  FilledLists(faiss::Index& index, std::span<const uint64_t> sizes, const VectorIndex::ListReader& read);
  ~FilledLists();
  FilledLists(const FilledLists&) = delete;
  FilledLists& operator=(const FilledLists&) = delete;

 private:
  faiss::Index& index_;
  faiss::IndexIVF& ivf_;
  faiss::InvertedLists* empty_;
  std::unique_ptr<faiss::InvertedLists> filled_;
};

}  // namespace retro
