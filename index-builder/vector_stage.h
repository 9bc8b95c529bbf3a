// Stage "index": the embeddings into a trained vector index.
#pragma once

#include <cstdint>
#include <string>

#include "retriever/half_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

struct VectorStageOptions {
  std::string factory;
  uint64_t training_chunks = 0;  // 0: as many as the index wants
  uint64_t seed = 0;
  size_t memory_bytes = size_t{1} << 30;  // bound on the training sample, and on the rows added at once
};

struct BuiltIndex {
  VectorIndex index;
  uint64_t training_vectors = 0;
};

// Trained on a uniform random sample of the rows, then filled with all of them in order. Throws Error(kInvalidArgument)
// when there are too few rows for the factory, kUnavailable when interrupted.
BuiltIndex BuildVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options);

}  // namespace retro
