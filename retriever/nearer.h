// The order of everything that is found by distance. Internal to retriever.
#pragma once

#include "retriever/vector_index.h"

namespace retro {

// By distance, then by ChunkId, so that no result depends on who found it first.
inline bool IsNearer(const Neighbour& a, const Neighbour& b) {
  return a.distance != b.distance ? a.distance < b.distance : a.chunk < b.chunk;
}

}  // namespace retro
