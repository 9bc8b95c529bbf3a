#include "retriever/reranked_search.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/thread_pool.h"
#include "retriever/nearer.h"

namespace retro {
namespace {

// Enough queries for FAISS to share the reading of a list between several, few enough for the candidates to stay in
// the cache. The same for any number of threads: FAISS's rounding depends on the batch.
constexpr size_t kSliceQueries = 128;

SearchOptions CandidateOptions(const VectorIndex& index, const StoredEmbeddings* embeddings,
                               const SearchOptions& options) {
  if (options.rerank_factor < 0) {
    Throw(ErrorCode::kInvalidArgument, "rerank_factor is {}: it multiplies k", options.rerank_factor);
  }
  SearchOptions candidates = options;
  if (embeddings != nullptr && options.k > 0) {
    const int64_t wanted = static_cast<int64_t>(options.k) * std::max(1, options.rerank_factor);
    const uint64_t most = std::min<uint64_t>(std::max<uint64_t>(index.size(), 1), std::numeric_limits<int>::max());
    candidates.k = static_cast<int>(std::min<uint64_t>(wanted, most));
  }
  return candidates;
}

}  // namespace

void Rerank(const StoredEmbeddings& embeddings, std::span<const float> query, size_t k, std::vector<Neighbour>& found) {
  // In the order of their ids rows lie in the order of their addresses.
  std::sort(found.begin(), found.end(), [](const Neighbour& a, const Neighbour& b) { return a.chunk < b.chunk; });
  std::vector<ChunkId> chunks(found.size());
  std::vector<float> distances(found.size());
  for (size_t i = 0; i < found.size(); ++i) chunks[i] = found[i].chunk;
  embeddings.Distances(query, chunks, distances);
  for (size_t i = 0; i < found.size(); ++i) found[i].distance = distances[i];
  const size_t kept = std::min(k, found.size());
  std::partial_sort(found.begin(), found.begin() + kept, found.end(), IsNearer);
  found.resize(kept);
  found.shrink_to_fit();
}

std::vector<std::vector<Neighbour>> SearchReranked(const VectorIndex& index, const StoredEmbeddings* embeddings,
                                                   std::span<const float> queries, const SearchOptions& options,
                                                   ThreadPool& pool) {
  const SearchOptions candidates = CandidateOptions(index, embeddings, options);
  const size_t dim = index.dim(), count = queries.size() / dim;
  std::vector<std::vector<Neighbour>> found(count);
  pool.ParallelFor((count + kSliceQueries - 1) / kSliceQueries, [&](size_t slice) {
    const size_t begin = slice * kSliceQueries, size = std::min(kSliceQueries, count - begin);
    const auto part = queries.subspan(begin * dim, size * dim);
    auto rows = index.Search(part, candidates);
    for (size_t i = 0; i < size; ++i) {
      if (embeddings != nullptr) Rerank(*embeddings, part.subspan(i * dim, dim), options.k, rows[i]);
      found[begin + i] = std::move(rows[i]);
    }
  });
  return found;
}

}  // namespace retro
