// How one search goes through FAISS without changing the index: nprobe belongs to the call. Only vector_index*.cc and
// this file's .cc include FAISS. Internal to retriever.
#pragma once

#include <faiss/Index.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace retro {

// Which lists a search looks at.
struct ListSearch {
  int64_t nprobe = 1;     // lists to look at, or an HNSW index's efSearch
  int64_t ef_search = 0;  // of an HNSW coarse quantizer; 0: chosen by nprobe, and never below it

  friend auto operator<=>(const ListSearch&, const ListSearch&) = default;
};

// Searches an index that it does not own and that nobody changes meanwhile. Const methods are safe from many threads.
class FaissSearcher {
 public:
  explicit FaissSearcher(const faiss::Index& index);
  ~FaissSearcher();

  size_t num_lists() const { return ivf_ ? ivf_->nlist : 0; }

  // As faiss::Index::search, on the calling thread. REQUIRES: lists.nprobe > 0
  void Search(int64_t num_queries, const float* queries, int64_t k, const ListSearch& lists, float* distances,
              int64_t* ids) const;

 private:
  class View;
  std::shared_ptr<const View> ViewFor(const ListSearch& lists) const;

  const faiss::IndexPreTransform* transform_ = nullptr;  // set when the vectors are rotated first (OPQ, PCA)
  const faiss::Index* inner_ = nullptr;                  // the index behind the transform
  const faiss::IndexIVF* ivf_ = nullptr;                 // inner_, when it has lists
  mutable std::mutex mutex_;
  mutable std::map<ListSearch, std::shared_ptr<const View>> views_;
};

// While it lives, OpenMP regions that this thread enters have one thread: queries are split by the caller.
class SingleOpenMpThread {
 public:
  SingleOpenMpThread();
  ~SingleOpenMpThread();

 private:
  int before_;
};

// How many threads OpenBLAS takes for one product; nothing happens with another BLAS.
void SetBlasThreads(int num_threads);

}  // namespace retro
