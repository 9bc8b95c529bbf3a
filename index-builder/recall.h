// Stage "recall": how many of the true nearest chunks a search finds, and the cheapest setting that finds enough.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "retriever/half_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

class ThreadPool;

inline constexpr int kRecallK = 10;  // recall@10

// The distance of each query to its k-th nearest row, by looking at all of them: exact search in bounded memory.
// k is at most the number of rows.
std::vector<float> ExactKthDistances(const HalfEmbeddings& embeddings, std::span<const float> queries, int k,
                                     ThreadPool& pool);

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
RecallCurve MeasureRecall(const VectorIndex& index, const HalfEmbeddings& embeddings, std::span<const float> queries,
                          bool rerank, double target, ThreadPool& pool);

}  // namespace retro
