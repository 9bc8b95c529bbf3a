#include "retriever/faiss_nearest_rows.h"

#include <faiss/utils/Heap.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "retriever/faiss_search.h"

namespace retro {

void FindNearestRows(std::span<const float> queries, std::span<const float> rows, int64_t dim,
                     std::span<uint32_t> nearest) {
  const SingleOpenMpThread single;
  SetBlasThreads(1);
  const size_t count = nearest.size();
  std::vector<float> distances(count);
  std::vector<int64_t> ids(count);
  faiss::float_maxheap_array_t best = {count, 1, ids.data(), distances.data()};
  try {
    faiss::knn_L2sqr(queries.data(), rows.data(), dim, count, rows.size() / dim, &best);
  } catch (const std::exception& error) {
    Throw(ErrorCode::kInternal, "the nearest of {} rows: FAISS says: {}", rows.size() / dim, error.what());
  }
  std::copy(ids.begin(), ids.end(), nearest.begin());
}

}  // namespace retro
