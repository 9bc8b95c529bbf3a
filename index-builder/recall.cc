#include "index-builder/recall.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "retriever/reranked_search.h"

namespace retro {
namespace {

// Rows of half precision that stay in the second-level cache for all queries of a group.
constexpr uint64_t kTileRows = 512;
constexpr size_t kGroupQueries = 16;
constexpr int kMaxRerankFactor = 64;
// Distances that differ by less than this are one distance: equal texts are stored more than once.
constexpr float kSameDistance = 1e-6f;

// Estimates in nanoseconds on one core, for ranking settings only.
constexpr double kCodeNs = 2;      // a 4-bit code in a list that is looked at
constexpr double kRerankNs = 150;  // a row of the embeddings, at a random place in memory
constexpr double kProbeNs = 300;   // a list

std::vector<ChunkId> ChunkRange(uint64_t begin, uint64_t end) {
  std::vector<ChunkId> chunks;
  for (uint64_t chunk = begin; chunk < end; ++chunk) chunks.push_back({chunk});
  return chunks;
}

// Keeps the k smallest of a stream as a heap with the largest on top.
void Keep(float distance, size_t k, std::vector<float>& heap) {
  if (heap.size() == k && distance >= heap.front()) return;
  if (heap.size() == k) {
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
  }
  heap.push_back(distance);
  std::push_heap(heap.begin(), heap.end());
}

double Cost(const SearchOptions& search, uint64_t num_rows, uint64_t num_lists) {
  const double share = num_lists == 0 ? 1 : static_cast<double>(search.nprobe) / static_cast<double>(num_lists);
  return share * static_cast<double>(num_rows) * kCodeNs + search.nprobe * kProbeNs +
         static_cast<double>(search.k) * search.rerank_factor * kRerankNs;
}

// Sets what the curve chose, by its figures and then by a measurement of the search that users run.
void Choose(const RecallMeasurement& measurement, bool rerank, double target, RecallCurve& curve) {
  const auto measure = [&](const RecallPoint& point) {
    curve.chosen = point;
    curve.chosen.recall = measurement.RecallOf(point.search, rerank, curve.query_us);
  };
  for (const RecallPoint& point : curve.points) {
    if (point.recall < target) continue;
    measure(point);
    if (curve.chosen.recall >= target) return;
  }
  measure(*std::max_element(curve.points.begin(), curve.points.end(),
                            [](const RecallPoint& a, const RecallPoint& b) { return a.recall < b.recall; }));
}

nlohmann::json PointJson(const RecallPoint& point) {
  return {{"nprobe", point.search.nprobe},
          {"rerank_factor", point.search.rerank_factor},
          {"recall", point.recall},
          {"cost_ns", std::round(point.cost)}};
}

}  // namespace

uint64_t NumLists(const std::string& factory) {
  const size_t at = factory.find("IVF");
  return at == std::string::npos ? 0 : std::strtoull(factory.c_str() + at + 3, nullptr, 10);
}

std::vector<int> ProbeSettings(uint64_t num_lists) {
  if (num_lists == 0) return {0};
  std::vector<int> settings;
  for (uint64_t nprobe = 1; nprobe < num_lists; nprobe *= 2) settings.push_back(static_cast<int>(nprobe));
  settings.push_back(static_cast<int>(num_lists));
  return settings;
}

std::vector<int> RerankSettings(bool rerank) {
  if (!rerank) return {1};
  std::vector<int> settings;
  for (int factor = 1; factor <= kMaxRerankFactor; factor *= 2) settings.push_back(factor);
  return settings;
}

std::vector<float> ExactKthDistances(const StoredEmbeddings& embeddings, std::span<const float> queries, int k,
                                     ThreadPool& pool) {
  const auto dim = static_cast<size_t>(embeddings.dim());
  const size_t num_queries = queries.size() / dim;
  std::vector<std::vector<float>> heaps(num_queries);
  pool.ParallelFor((num_queries + kGroupQueries - 1) / kGroupQueries, [&](size_t group) {
    const size_t last = std::min(num_queries, (group + 1) * kGroupQueries);
    std::vector<float> distances(kTileRows);
    for (uint64_t begin = 0; begin < embeddings.size() && !Interrupted(); begin += kTileRows) {
      const std::vector<ChunkId> tile = ChunkRange(begin, std::min(begin + kTileRows, embeddings.size()));
      distances.resize(tile.size());
      for (size_t query = group * kGroupQueries; query < last; ++query) {
        embeddings.Distances(queries.subspan(query * dim, dim), tile, distances);
        for (const float distance : distances) Keep(distance, static_cast<size_t>(k), heaps[query]);
      }
    }
  });
  ThrowIfInterrupted();
  std::vector<float> kth;
  for (const auto& heap : heaps) kth.push_back(heap.front());
  return kth;
}

RecallMeasurement::RecallMeasurement(const VectorIndex& index, const StoredEmbeddings& embeddings,
                                     std::span<const float> queries, int k, ThreadPool& pool)
    : index_(index),
      embeddings_(embeddings),
      queries_(queries),
      pool_(pool),
      k_(static_cast<int>(std::min<uint64_t>(k, embeddings.size()))),
      kth_(ExactKthDistances(embeddings, queries, k_, pool)) {}

std::vector<double> RecallMeasurement::Recalls(const SearchOptions& lists, std::span<const int> factors) const {
  const SearchOptions search{.k = k_ * factors.back(), .nprobe = lists.nprobe, .ef_search = lists.ef_search};
  const auto found = SearchReranked(index_, nullptr, queries_, search, pool_);
  std::vector<uint64_t> hits(factors.size());
  for (size_t query = 0; query < found.size(); ++query) {
    const std::vector<float> exact = ExactDistances(query, found[query]);
    for (size_t i = 0; i < factors.size(); ++i) {
      hits[i] += Hits(query, std::span(exact).first(std::min<size_t>(exact.size(), k_ * factors[i])));
    }
  }
  std::vector<double> recalls;
  for (const uint64_t count : hits) recalls.push_back(Recall(count));
  return recalls;
}

double RecallMeasurement::RecallOf(const SearchOptions& search, bool rerank, double& query_us) const {
  const auto start = std::chrono::steady_clock::now();
  const auto found = SearchReranked(index_, rerank ? &embeddings_ : nullptr, queries_, search, pool_);
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
  query_us = taken.count() / static_cast<double>(found.size());
  uint64_t hits = 0;
  for (size_t query = 0; query < found.size(); ++query) hits += Hits(query, ExactDistances(query, found[query]));
  return Recall(hits);
}

std::vector<float> RecallMeasurement::ExactDistances(size_t query, std::span<const Neighbour> found) const {
  std::vector<ChunkId> chunks;
  for (const Neighbour& neighbour : found) chunks.push_back(neighbour.chunk);
  std::vector<float> exact(chunks.size());
  const auto dim = static_cast<size_t>(embeddings_.dim());
  embeddings_.Distances(queries_.subspan(query * dim, dim), chunks, exact);
  return exact;
}

uint64_t RecallMeasurement::Hits(size_t query, std::span<const float> exact) const {
  const auto near =
      std::count_if(exact.begin(), exact.end(), [&](float d) { return d <= kth_[query] + kSameDistance; });
  return std::min<uint64_t>(static_cast<uint64_t>(near), static_cast<uint64_t>(k_));
}

double RecallMeasurement::Recall(uint64_t hits) const {
  return static_cast<double>(hits) / static_cast<double>(kth_.size() * static_cast<size_t>(k_));
}

RecallCurve MeasureRecall(const VectorIndex& index, const StoredEmbeddings& embeddings, std::span<const float> queries,
                          bool rerank, double target, ThreadPool& pool) {
  const RecallMeasurement measurement(index, embeddings, queries, kRecallK, pool);
  const uint64_t num_lists = NumLists(index.factory());
  const std::vector<int> factors = RerankSettings(rerank);
  RecallCurve curve;
  for (const int nprobe : ProbeSettings(num_lists)) {
    ThrowIfInterrupted();
    const std::vector<double> recalls = measurement.Recalls({.nprobe = nprobe}, factors);
    for (size_t i = 0; i < factors.size(); ++i) {
      const SearchOptions search{.k = measurement.k(), .nprobe = nprobe, .rerank_factor = factors[i]};
      curve.points.push_back({search, recalls[i], Cost(search, index.size(), num_lists)});
    }
  }
  std::stable_sort(curve.points.begin(), curve.points.end(),
                   [](const RecallPoint& a, const RecallPoint& b) { return a.cost < b.cost; });
  Choose(measurement, rerank, target, curve);
  return curve;
}

nlohmann::json RecallCurve::ToJson() const {
  nlohmann::json curve = nlohmann::json::array();
  for (const RecallPoint& point : points) curve.push_back(PointJson(point));
  return curve;
}

}  // namespace retro
