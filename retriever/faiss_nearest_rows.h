// The nearest of many rows by matrix products: what assigning vectors to centroids costs.
#pragma once

#include <cstdint>
#include <span>

namespace retro {

// For each query [num_queries, dim] the number of the row [num_rows, dim] with the least squared L2 distance, into
// `nearest`. On the calling thread. The products round by the batch's shape: who wants the same answer again where
// distances are all but equal gives the same batch. Throws Error(kInternal) when FAISS fails.
// REQUIRES: dim > 0, 0 < num_rows < 2^32
void FindNearestRows(std::span<const float> queries, std::span<const float> rows, int64_t dim,
                     std::span<uint32_t> nearest);

}  // namespace retro
