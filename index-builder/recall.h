// Stage "recall": how many of the true nearest chunks a search finds, and the cheapest setting that finds enough.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "retriever/stored_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

class ThreadPool;

inline constexpr int kRecallK = 10;  // recall@10

// The distance of each query to its k-th nearest row, by looking at all of them: exact search in bounded memory.
// k is at most the number of rows.
std::vector<float> ExactKthDistances(const StoredEmbeddings& embeddings, std::span<const float> queries, int k,
                                     ThreadPool& pool);

// Settings that differ in how much is looked at: nprobe in steps of 2 up to all lists ({0} for an index without lists),
// and multiples of k to re-rank ({1} without embeddings).
uint64_t NumLists(const std::string& factory);  // "IVF1264,PQ48x4fs" -> 1264; 0 when the index has no lists
std::vector<int> ProbeSettings(uint64_t num_lists);
std::vector<int> RerankSettings(bool rerank);

// What searches of one index find of the k nearest that an exact search finds, all with the same queries. Refers to all
// that it is given. Const methods by one thread at a time.
class RecallMeasurement {
 public:
  // Searches exactly first. `k` is cut to the number of rows.
  RecallMeasurement(const VectorIndex& index, const StoredEmbeddings& embeddings, std::span<const float> queries, int k,
                    ThreadPool& pool);

  int k() const { return k_; }

  // The recall of each of `factors`, ascending, with one search, since a smaller factor re-ranks the first of the same
  // candidates. `lists`: its nprobe and ef_search.
  std::vector<double> Recalls(const SearchOptions& lists, std::span<const int> factors) const;

  // By the search that users run; sets its time a query.
  double RecallOf(const SearchOptions& search, bool rerank, double& query_us) const;

 private:
  std::vector<float> ExactDistances(size_t query, std::span<const Neighbour> found) const;
  uint64_t Hits(size_t query, std::span<const float> exact) const;
  double Recall(uint64_t hits) const;

  const VectorIndex& index_;
  const StoredEmbeddings& embeddings_;
  std::span<const float> queries_;
  ThreadPool& pool_;
  int k_;
  std::vector<float> kth_;  // distance of each query's k-th nearest
};

// One setting of the search and what it was measured to find.
struct RecallPoint {
  SearchOptions search;
  double recall = 0;
  double cost = 0;  // estimated nanoseconds a query on one core, from the work it does: the same on every machine
};

struct RecallCurve {
  std::vector<RecallPoint> points;  // cheapest first
  RecallPoint chosen;               // measured again by the search as users run it
  double query_us = 0;              // its time a query in this measurement, on the pool's threads
  nlohmann::json ToJson() const;
};

// `rerank`: whether searches will have the embeddings; else only nprobe varies. Chooses the cheapest setting with
// recall >= target, else the one with the best recall.
RecallCurve MeasureRecall(const VectorIndex& index, const StoredEmbeddings& embeddings, std::span<const float> queries,
                          bool rerank, double target, ThreadPool& pool);

}  // namespace retro
