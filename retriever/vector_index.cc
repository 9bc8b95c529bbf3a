#include "retriever/vector_index.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexRefine.h>
#include <faiss/index_factory.h>
#include <faiss/utils/distances.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/thread_pool.h"
#include "retriever/faiss_search.h"
#include "retriever/nearer.h"
#include "retriever/vector_index_codes.h"
#include "retriever/vector_index_file.h"
#include "retriever/vector_index_training.h"

namespace retro {
namespace {

constexpr uint64_t kMaxExactVectors = 20'000;
constexpr uint64_t kHnswLists = 16'384;
constexpr int64_t kDimPerCode = 8;
// FAISS's k-means draws at most 256 vectors a centroid; 64 give lists of the same quality in a quarter of the time.
constexpr uint64_t kTrainingVectorsPerList = 64;
constexpr uint64_t kMinTrainingVectors = 65'536;
// Exact indexes look at a few more than k, so that equal distances at the end are told apart by ChunkId.
constexpr int64_t kTieMargin = 16;

void CheckFinite(std::span<const float> values, int64_t dim, const char* what) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      Throw(ErrorCode::kInvalidArgument, "{} {} is not finite at dimension {}: the embedder made {}", what, i / dim,
            i % dim, values[i]);
    }
  }
}

void CheckRows(std::span<const float> values, int64_t dim) {
  if (values.size() % dim != 0) {
    Throw(ErrorCode::kInvalidArgument, "{} values are not whole vectors of dim {}", values.size(), dim);
  }
}

// Runs `body` and turns what FAISS throws into an Error that names `what`.
template <typename Body>
auto TranslateErrors(ErrorCode code, const std::string& what, Body&& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    Throw(code, "{}: FAISS says: {}", what, error.what());
  }
}

std::unique_ptr<faiss::Index> MakeIndex(int64_t dim, const std::string& factory) {
  if (dim < 1 || dim > 65'536) Throw(ErrorCode::kInvalidArgument, "index of dim {}: 1 to 65536 are possible", dim);
  std::unique_ptr<faiss::Index> index = TranslateErrors(
      ErrorCode::kInvalidArgument, fmt::format("index string \"{}\" for dim {}", factory, dim),
      [&] { return std::unique_ptr<faiss::Index>(faiss::index_factory(dim, factory.c_str(), faiss::METRIC_L2)); });
  if (dynamic_cast<faiss::IndexRefine*>(index.get()) != nullptr) {
    Throw(ErrorCode::kInvalidArgument,
          "index string \"{}\": leave the refining part out; kept embeddings re-rank the candidates exactly", factory);
  }
  if (dynamic_cast<faiss::IndexIDMap*>(index.get()) != nullptr) {
    Throw(ErrorCode::kInvalidArgument, "index string \"{}\": leave IDMap out; row numbers are the ids", factory);
  }
  return index;
}

// Distances of one pair at a time are the same in every batch; FAISS's own products round by the batch's shape.
void RescoreExactly(const faiss::IndexFlat& index, const float* query, std::vector<Neighbour>& found) {
  for (Neighbour& neighbour : found) {
    neighbour.distance = faiss::fvec_L2sqr(query, index.get_xb() + neighbour.chunk.value * index.d, index.d);
  }
}

void SortNearestFirst(std::vector<Neighbour>& found) { std::sort(found.begin(), found.end(), IsNearer); }

}  // namespace

struct VectorIndex::State {
  State(std::unique_ptr<faiss::Index> made, std::string name)
      : index(std::move(made)),
        flat(dynamic_cast<const faiss::IndexFlat*>(index.get())),
        searcher(*index),
        factory(std::move(name)) {}

  // Lists whose centroids are yet to be found.
  size_t num_lists_to_train() const {
    const faiss::IndexIVF* ivf = FindIvf(*index);
    return ivf != nullptr && static_cast<size_t>(ivf->quantizer->ntotal) != ivf->nlist ? ivf->nlist : 0;
  }

  std::unique_ptr<faiss::Index> index;
  const faiss::IndexFlat* flat;  // index, when it is exact
  FaissSearcher searcher;
  std::string factory;
};

std::string VectorIndex::ChooseFactory(uint64_t num_vectors, int64_t dim) {
  if (num_vectors <= kMaxExactVectors) return "Flat";
  const auto lists = static_cast<uint64_t>(std::lround(4 * std::sqrt(static_cast<double>(num_vectors))));
  const std::string coarse = fmt::format("IVF{}{}", lists, lists >= kHnswLists ? "_HNSW32" : "");
  if (dim % kDimPerCode == 0) return fmt::format("{},PQ{}x4fs", coarse, dim / kDimPerCode);
  return coarse + ",SQ8";
}

VectorIndex::VectorIndex(int64_t dim, const std::string& factory)
    : state_(std::make_unique<State>(MakeIndex(dim, factory), factory)) {
  // Fewer vectors a list than FAISS likes is the caller's choice; FAISS would print a warning to stderr.
  if (auto* ivf = FindIvf(*state_->index)) ivf->cp.min_points_per_centroid = 1;
}

VectorIndex::VectorIndex(std::unique_ptr<State> state) : state_(std::move(state)) {}
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex::~VectorIndex() = default;

VectorIndex VectorIndex::Load(const std::filesystem::path& path) {
  auto index = ReadIndexFile(path);
  std::string factory = DescribeIndex(*index);
  return VectorIndex(std::make_unique<State>(std::move(index), std::move(factory)));
}

void VectorIndex::Save(const std::filesystem::path& path) const { WriteIndexFile(*state_->index, path); }

bool VectorIndex::NeedsTraining() const { return !state_->index->is_trained; }

uint64_t VectorIndex::TrainingVectors() const {
  if (!NeedsTraining()) return 0;
  return std::max<uint64_t>(state_->searcher.num_lists() * kTrainingVectorsPerList, kMinTrainingVectors);
}

void VectorIndex::Train(std::span<const float> vectors) {
  CheckRows(vectors, dim());
  CheckFinite(vectors, dim(), "training vector");
  const uint64_t count = vectors.size() / dim(), least = std::max<uint64_t>(state_->num_lists_to_train(), 16);
  if (NeedsTraining() && count < least) {
    Throw(ErrorCode::kInvalidArgument, "index \"{}\" needs at least {} vectors to train on and got {}; take \"Flat\"",
          factory(), least, count);
  }
  TranslateErrors(ErrorCode::kInvalidArgument, fmt::format("training index {} on {} vectors", factory(), count), [&] {
    if (state_->num_lists_to_train() > 0) {
      SetBlasThreads(static_cast<int>(AvailableCores()));
      return state_->index->train(count, vectors.data());
    }
    const SingleOpenMpThread single;
    SetBlasThreads(1);
    state_->index->train(count, vectors.data());
  });
}

uint64_t VectorIndex::num_centroids_wanted() const { return NumCentroidsWanted(*state_->index); }
int64_t VectorIndex::centroid_dim() const { return CentroidDim(*state_->index); }

void VectorIndex::TrainTransforms(std::span<const float> vectors) {
  CheckRows(vectors, dim());
  CheckFinite(vectors, dim(), "training vector");
  SetBlasThreads(1);
  TranslateErrors(ErrorCode::kInvalidArgument, fmt::format("training the rotation of index {}", factory()),
                  [&] { retro::TrainTransforms(*state_->index, vectors); });
}

std::vector<float> VectorIndex::Transform(std::span<const float> vectors) const {
  SetBlasThreads(1);
  return TranslateErrors(ErrorCode::kInternal, "rotating vectors for index " + factory(),
                         [&] { return ApplyTransforms(*state_->index, vectors); });
}

void VectorIndex::SetCentroids(std::span<const float> centroids) {
  if (centroids.size() != num_centroids_wanted() * static_cast<size_t>(centroid_dim())) {
    Throw(ErrorCode::kInternal, "{} values are not the centroids of index {}", centroids.size(), factory());
  }
  TranslateErrors(ErrorCode::kInternal, "setting the centroids of index " + factory(),
                  [&] { SetListCentroids(*state_->index, centroids); });
}

void VectorIndex::Add(std::span<const float> vectors) {
  CheckRows(vectors, dim());
  CheckFinite(vectors, dim(), "vector");
  if (NeedsTraining()) Throw(ErrorCode::kInternal, "index \"{}\" must be trained before vectors are added", factory());
  SetBlasThreads(static_cast<int>(AvailableCores()));
  TranslateErrors(ErrorCode::kInternal, "adding to index " + factory(),
                  [&] { state_->index->add(vectors.size() / dim(), vectors.data()); });
}

size_t VectorIndex::code_bytes() const {
  const faiss::IndexIVF* ivf = FindIvf(*state_->index);
  return ivf != nullptr ? ivf->code_size : 0;
}

VectorCodes VectorIndex::Encode(std::span<const float> vectors) const {
  CheckRows(vectors, dim());
  CheckFinite(vectors, dim(), "vector");
  if (NeedsTraining())
    Throw(ErrorCode::kInternal, "index \"{}\" must be trained before vectors are encoded", factory());
  SetBlasThreads(1);
  return TranslateErrors(ErrorCode::kInternal, "encoding for index " + factory(),
                         [&] { return EncodeVectors(*state_->index, vectors); });
}

uint64_t VectorIndex::num_lists() const { return state_->searcher.num_lists(); }

void VectorIndex::SaveFilled(const std::filesystem::path& path, std::span<const uint64_t> sizes,
                             const ListReader& read) {
  const FilledLists filled(*state_->index, sizes, read);
  WriteIndexFile(*state_->index, path);
}

std::vector<std::vector<Neighbour>> VectorIndex::Search(std::span<const float> queries,
                                                        const SearchOptions& options) const {
  if (options.k < 1) Throw(ErrorCode::kInvalidArgument, "k is {}: at least 1 neighbour must be asked for", options.k);
  if (options.nprobe < 0) Throw(ErrorCode::kInvalidArgument, "nprobe is {}: it counts lists", options.nprobe);
  if (options.ef_search < 0)
    Throw(ErrorCode::kInvalidArgument, "ef_search is {}: it counts centroids", options.ef_search);
  CheckRows(queries, dim());
  CheckFinite(queries, dim(), "query");
  const int64_t count = queries.size() / dim();
  const int64_t margin = state_->flat != nullptr ? kTieMargin : 0;
  const int64_t k = std::min<int64_t>(options.k + margin, size());
  std::vector<std::vector<Neighbour>> found(count);
  if (count == 0 || k == 0) return found;

  const int64_t lists = state_->searcher.num_lists();
  int64_t nprobe = options.nprobe;
  if (nprobe == 0) nprobe = lists > 0 ? std::max<int64_t>(1, lists / 16) : std::max<int64_t>(64, 2 * k);
  if (lists > 0) nprobe = std::min(nprobe, lists);
  std::vector<float> distances(count * k);
  std::vector<int64_t> ids(count * k);
  TranslateErrors(ErrorCode::kInternal, "searching index " + factory(), [&] {
    SetBlasThreads(1);
    state_->searcher.Search(count, queries.data(), k, {nprobe, options.ef_search}, distances.data(), ids.data());
  });
  for (int64_t query = 0; query < count; ++query) {
    auto& row = found[query];
    row.reserve(k);
    for (int64_t i = query * k; i < (query + 1) * k; ++i) {
      if (ids[i] >= 0) row.push_back({ChunkId{static_cast<uint64_t>(ids[i])}, distances[i]});
    }
    if (state_->flat != nullptr) RescoreExactly(*state_->flat, queries.data() + query * dim(), row);
    SortNearestFirst(row);
    if (row.size() > static_cast<size_t>(options.k)) row.resize(options.k);
  }
  return found;
}

std::span<const float> VectorIndex::ExactRow(ChunkId chunk) const {
  if (state_->flat == nullptr) return {};
  return {state_->flat->get_xb() + chunk.value * dim(), static_cast<size_t>(dim())};
}

uint64_t VectorIndex::size() const { return state_->index->ntotal; }
int64_t VectorIndex::dim() const { return state_->index->d; }
const std::string& VectorIndex::factory() const { return state_->factory; }

}  // namespace retro
