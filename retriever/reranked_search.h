// The search that everything uses: candidates by the index, their distances by the embeddings, over all threads.
#pragma once

#include <span>
#include <vector>

#include "retriever/stored_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

class ThreadPool;

// Replaces the distances of `found` by those of the embeddings and keeps the k nearest, nearest first, equal distances
// by ChunkId.
void Rerank(const StoredEmbeddings& embeddings, std::span<const float> query, size_t k, std::vector<Neighbour>& found);

// The k nearest of each query, nearest first, equal distances by ChunkId; what a query finds does not depend on the
// number of threads. `embeddings` null: the index's own distances and no re-ranking. options.rerank_factor 0 means 1.
// Throws Error(kInvalidArgument) as VectorIndex::Search does and on a negative rerank_factor.
// REQUIRES: embeddings == nullptr or embeddings->size() == index.size() and of the same dim
std::vector<std::vector<Neighbour>> SearchReranked(const VectorIndex& index, const StoredEmbeddings* embeddings,
                                                   std::span<const float> queries, const SearchOptions& options,
                                                   ThreadPool& pool);

}  // namespace retro
