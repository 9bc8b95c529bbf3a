#include "index-builder/neighbour_order.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace retro {
namespace {

constexpr std::array<std::pair<NeighbourOrder, std::string_view>, 3> kNames = {
    {{NeighbourOrder::kNone, "none"}, {NeighbourOrder::kExact, "exact"}, {NeighbourOrder::kBm25, "bm25"}}};

}  // namespace

std::string_view NeighbourOrderName(NeighbourOrder order) {
  return std::ranges::find(kNames, order, &decltype(kNames)::value_type::first)->second;
}

NeighbourOrder ParseNeighbourOrder(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &decltype(kNames)::value_type::second);
  if (found != kNames.end()) return found->first;
  Throw(ErrorCode::kInvalidArgument, "re-ranking '{}': must be none, exact or bm25", name);
}

void RequireOrder(NeighbourOrder order, const RetrievalDatabase& database) {
  if (order != NeighbourOrder::kExact || database.has_exact_distances()) return;
  Throw(ErrorCode::kInvalidArgument,
        "the database kept no embeddings to order candidates of its index by exact distance; build it with "
        "--keep-embeddings, or re-rank by bm25 or none");
}

std::vector<size_t> OrderCandidates(NeighbourOrder order, std::span<const TokenId> chunk,
                                    std::span<const std::span<const TokenId>> candidates, const TermStatistics& terms) {
  std::vector<size_t> indices(candidates.size());
  std::iota(indices.begin(), indices.end(), 0);
  if (order != NeighbourOrder::kBm25) return indices;
  const Bm25Query query(chunk, terms);
  std::vector<double> scores;
  for (const auto tokens : candidates) scores.push_back(query.Score(tokens));
  std::stable_sort(indices.begin(), indices.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return indices;
}

}  // namespace retro
