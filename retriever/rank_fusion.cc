#include "retriever/rank_fusion.h"

#include <algorithm>
#include <map>
#include <utility>

namespace retro {
namespace {

constexpr double kRankConstant = 60;

}  // namespace

std::vector<ChunkId> FuseRankings(std::span<const std::vector<ChunkId>> rankings, size_t k) {
  std::map<ChunkId, double> scores;
  for (const std::vector<ChunkId>& ranking : rankings) {
    for (size_t i = 0; i < ranking.size(); ++i) scores[ranking[i]] += 1 / (kRankConstant + static_cast<double>(i + 1));
  }
  std::vector<std::pair<ChunkId, double>> sorted(scores.begin(), scores.end());
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<ChunkId> fused;
  for (size_t i = 0; i < std::min(k, sorted.size()); ++i) fused.push_back(sorted[i].first);
  return fused;
}

}  // namespace retro
