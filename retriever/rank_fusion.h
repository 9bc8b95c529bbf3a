// Several rankings of the same chunks as one, by ranks alone, so that scores of different kinds need no common scale.
#pragma once

#include <span>
#include <vector>

#include "core/ids.h"

namespace retro {

// The k chunks of the highest sum over the rankings of 1 / (60 + rank), ranks from 1, best first, equal ones by
// ChunkId. Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
// Methods" (SIGIR 2009), with their constant.
std::vector<ChunkId> FuseRankings(std::span<const std::vector<ChunkId>> rankings, size_t k);

}  // namespace retro
