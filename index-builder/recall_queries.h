// Questions to measure recall with: texts that are not themselves in the index.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/tokenizer.h"
#include "retriever/chunk_store.h"
#include "retriever/embedder.h"

namespace retro {

class ThreadPool;

struct RecallQueryOptions {
  uint32_t count = 0;  // 0: one per hundred chunks, 100 to 1000
  uint64_t seed = 0;
};

// Embeddings of the first half of the tokens of randomly drawn chunks, one row each; at most one for each chunk.
std::vector<float> MakeRecallQueries(const ChunkReader& chunks, const Tokenizer& tokenizer, const Embedder& embedder,
                                     const RecallQueryOptions& options, ThreadPool& pool);

}  // namespace retro
