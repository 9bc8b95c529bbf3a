#include "retriever/vector_index_training.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>

#include "retriever/faiss_search.h"
#include "retriever/vector_index_codes.h"

namespace retro {
namespace {

// FAISS, IndexIVF.h: what Level1Quantizer::quantizer_trains_alone says of quantizers that train themselves.
constexpr char kTrainsAlone = 1;

const faiss::IndexIVF* FindIvf(const faiss::Index& index) { return retro::FindIvf(const_cast<faiss::Index&>(index)); }

// Rows through the first `count` transforms.
std::vector<float> Through(const faiss::IndexPreTransform& transform, size_t count, std::span<const float> vectors) {
  std::vector<float> rows(vectors.begin(), vectors.end());
  for (size_t i = 0; i < count; ++i) {
    const faiss::VectorTransform& step = *transform.chain[i];
    const size_t num_rows = rows.size() / step.d_in;
    std::vector<float> out(num_rows * step.d_out);
    step.apply_noalloc(static_cast<faiss::Index::idx_t>(num_rows), rows.data(), out.data());
    rows = std::move(out);
  }
  return rows;
}

}  // namespace

uint64_t NumCentroidsWanted(const faiss::Index& index) {
  const faiss::IndexIVF* ivf = FindIvf(index);
  if (ivf == nullptr || ivf->quantizer_trains_alone == kTrainsAlone || ivf->clustering_index != nullptr) return 0;
  const bool has_plain_vectors = dynamic_cast<const faiss::IndexFlat*>(ivf->quantizer) != nullptr ||
                                 dynamic_cast<const faiss::IndexHNSWFlat*>(ivf->quantizer) != nullptr;
  if (!has_plain_vectors || static_cast<size_t>(ivf->quantizer->ntotal) == ivf->nlist) return 0;
  return ivf->nlist;
}

int64_t CentroidDim(const faiss::Index& index) { return FindIvf(index)->d; }

void TrainTransforms(faiss::Index& index, std::span<const float> vectors) {
  const SingleOpenMpThread single;
  const auto* transform = dynamic_cast<const faiss::IndexPreTransform*>(&index);
  for (size_t i = 0; transform != nullptr && i < transform->chain.size(); ++i) {
    if (transform->chain[i]->is_trained) continue;
    const std::vector<float> rows = Through(*transform, i, vectors);
    faiss::VectorTransform& step = *transform->chain[i];
    step.train(static_cast<faiss::Index::idx_t>(rows.size() / step.d_in), rows.data());
  }
}

std::vector<float> ApplyTransforms(const faiss::Index& index, std::span<const float> vectors) {
  const SingleOpenMpThread single;
  const auto* transform = dynamic_cast<const faiss::IndexPreTransform*>(&index);
  if (transform == nullptr) return {vectors.begin(), vectors.end()};
  return Through(*transform, transform->chain.size(), vectors);
}

// HNSW's links depend on the order in which threads come, so there is one.
void SetListCentroids(faiss::Index& index, std::span<const float> centroids) {
  const SingleOpenMpThread single;
  faiss::IndexIVF& ivf = *FindIvf(index);
  ivf.quantizer->add(static_cast<faiss::Index::idx_t>(ivf.nlist), centroids.data());
}

}  // namespace retro
