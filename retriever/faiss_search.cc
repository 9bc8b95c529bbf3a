#include "retriever/faiss_search.h"

#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/impl/FaissAssert.h>
#include <omp.h>

#include <algorithm>

extern "C" __attribute__((weak)) void openblas_set_num_threads(int num_threads);

namespace retro {
namespace {

// Views hold a copy of the codebook each; more distinct settings than this in use at once is not expected.
constexpr size_t kMaxViews = 32;

// How many centroids HNSW looks at.
int CoarseEfSearch(const ListSearch& lists) {
  const int64_t ef =
      lists.ef_search > 0 ? std::max(lists.ef_search, lists.nprobe) : std::max<int64_t>(40, 2 * lists.nprobe);
  return static_cast<int>(ef);
}

// A coarse quantizer that searches another one; for HNSW with an efSearch of the call, not of the index.
class SharedQuantizer final : public faiss::Index {
 public:
  SharedQuantizer(const faiss::Index& shared, int ef_search)
      : faiss::Index(shared.d, shared.metric_type),
        shared_(shared),
        ef_search_(ef_search),
        is_hnsw_(dynamic_cast<const faiss::IndexHNSW*>(&shared) != nullptr) {
    ntotal = shared.ntotal;
    is_trained = true;
  }

  void search(int64_t n, const float* x, int64_t k, float* distances, int64_t* labels,
              const faiss::SearchParameters*) const override {
    faiss::SearchParametersHNSW hnsw;
    hnsw.efSearch = ef_search_;
    shared_.search(n, x, k, distances, labels, is_hnsw_ ? &hnsw : nullptr);
  }
  void reconstruct(int64_t key, float* out) const override { shared_.reconstruct(key, out); }
  void add(int64_t, const float*) override { FAISS_THROW_MSG("read-only"); }
  void reset() override { FAISS_THROW_MSG("read-only"); }

 private:
  const faiss::Index& shared_;
  const int ef_search_;
  const bool is_hnsw_;
};

}  // namespace

// FAISS 1.7 takes nprobe of a fast-scan index from a member alone. A view is a shallow copy that has its own nprobe and
// efSearch and shares the lists and the centroids with the index.
class FaissSearcher::View {
 public:
  View(const faiss::IndexIVFPQFastScan& index, const ListSearch& lists)
      : quantizer_(*index.quantizer, CoarseEfSearch(lists)), index_(index) {
    index_.own_invlists = false;
    index_.own_fields = false;
    index_.quantizer = &quantizer_;
    index_.nprobe = lists.nprobe;
  }
  const faiss::Index& index() const { return index_; }

 private:
  SharedQuantizer quantizer_;
  faiss::IndexIVFPQFastScan index_;
};

FaissSearcher::FaissSearcher(const faiss::Index& index)
    : transform_(dynamic_cast<const faiss::IndexPreTransform*>(&index)),
      inner_(transform_ ? transform_->index : &index),
      ivf_(dynamic_cast<const faiss::IndexIVF*>(inner_)) {}

FaissSearcher::~FaissSearcher() = default;

std::shared_ptr<const FaissSearcher::View> FaissSearcher::ViewFor(const ListSearch& lists) const {
  const auto* fast_scan = dynamic_cast<const faiss::IndexIVFPQFastScan*>(ivf_);
  if (fast_scan == nullptr) return nullptr;
  const std::lock_guard lock(mutex_);
  if (!views_.contains(lists) && views_.size() >= kMaxViews) views_.clear();
  auto& view = views_[lists];
  if (view == nullptr) view = std::make_shared<View>(*fast_scan, lists);
  return view;
}

void FaissSearcher::Search(int64_t num_queries, const float* queries, int64_t k, const ListSearch& lists,
                           float* distances, int64_t* ids) const {
  const SingleOpenMpThread single;
  std::unique_ptr<const float[]> transformed;
  if (transform_ != nullptr) {
    const float* rotated = transform_->apply_chain(num_queries, queries);
    if (rotated != queries) transformed.reset(rotated);
    queries = rotated;
  }
  if (const auto view = ViewFor(lists)) {
    view->index().search(num_queries, queries, k, distances, ids);
  } else if (ivf_ != nullptr) {
    faiss::SearchParametersHNSW coarse;
    coarse.efSearch = CoarseEfSearch(lists);
    faiss::SearchParametersIVF parameters;
    parameters.nprobe = lists.nprobe;
    const bool by_hnsw = dynamic_cast<const faiss::IndexHNSW*>(ivf_->quantizer) != nullptr;
    parameters.quantizer_params = by_hnsw ? &coarse : nullptr;
    ivf_->search(num_queries, queries, k, distances, ids, &parameters);
  } else if (dynamic_cast<const faiss::IndexHNSW*>(inner_) != nullptr) {
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch = static_cast<int>(lists.nprobe);
    inner_->search(num_queries, queries, k, distances, ids, &parameters);
  } else {
    inner_->search(num_queries, queries, k, distances, ids);
  }
}

SingleOpenMpThread::SingleOpenMpThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
SingleOpenMpThread::~SingleOpenMpThread() { omp_set_num_threads(before_); }

void SetBlasThreads(int num_threads) {
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(num_threads);
}

}  // namespace retro
