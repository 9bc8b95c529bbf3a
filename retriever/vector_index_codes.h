// Codes of vectors apart from the index that they go into, so that blocks of them can be made anywhere and merged by
// inverted list. Internal to retriever.
#pragma once

#include <faiss/IndexIVF.h>

#include <span>

#include "retriever/vector_index.h"

namespace retro {

// The part of an index that has lists, behind its transforms; null when it has none.
faiss::IndexIVF* FindIvf(faiss::Index& index);

// REQUIRES: FindIvf() finds one, which is trained; whole vectors
VectorCodes EncodeVectors(faiss::Index& index, std::span<const float> vectors);

// Throws Error(kCorruption) when a list is none of the index's, or there are not as many codes as lists.
void AppendCodes(faiss::Index& index, const VectorCodes& codes);

}  // namespace retro
