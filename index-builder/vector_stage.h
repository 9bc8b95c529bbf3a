// The embeddings into a trained vector index, at once or in steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/communicator.h"
#include "retriever/half_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

class ThreadPool;

inline constexpr size_t kMappedShare = 8;  // of a build's memory, for pages of mapped files

struct VectorStageOptions {
  std::string factory;
  uint64_t training_chunks = 0;  // 0: as many as the index wants
  uint64_t seed = 0;
  size_t memory_bytes = size_t{1} << 30;  // of which the training sample takes a quarter, rows added at once a 16th
  int iterations = 10;                    // of k-means over the lists' centroids, as many as FAISS makes

  size_t merge_bytes() const { return memory_bytes / 4; }  // for entries of lists, when codes are merged
};

struct BuiltIndex {
  VectorIndex index;
  uint64_t training_vectors = 0;
};

// How many of the rows an untrained index is trained on; 0 when it needs no training.
uint64_t NumTrainingVectors(const VectorIndex& index, uint64_t rows, const VectorStageOptions& options);

// How many of these train what is small beside the lists' centroids: a rotation, and the tables of the codes.
uint64_t NumCodeTrainingVectors(const VectorIndex& index, uint64_t rows, const VectorStageOptions& options);

// Trained on a uniform random sample of the rows, where it needs that, and empty; the same bits by any number of
// threads and ranks. All ranks call it with the same embeddings and options and get the index: they share the sample
// and the work of the lists' centroids (index-builder/kmeans.h); the rest, seconds of work, each does itself. Throws as
// BuildVectorIndex does.
VectorIndex TrainVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options, ThreadPool& pool,
                             Communicator& ranks);

// Rows [begin, end) in single precision.
std::vector<float> FloatRows(const HalfEmbeddings& embeddings, uint64_t begin, uint64_t end);

// As TrainVectorIndex, then filled with all of them in order. Throws Error(kInvalidArgument)
// when there are too few rows for the factory, kUnavailable when interrupted.
BuiltIndex BuildVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options, ThreadPool& pool);

}  // namespace retro
