// The arms of `retro eval lm`: the same model on the same text, with neighbours that differ. Only where true neighbours
// help and others do not, retrieval is what helped.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "evaluation/lm_neighbours.h"
#include "model/retro_config.h"

namespace retro {

enum class LmArmKind {
  kOff,     // no neighbours
  kOn,      // the nearest of the database
  kRandom,  // drawn uniformly from the database
  kOther,   // those of a chunk of another document
};

struct LmArm {
  std::string name;
  LmArmKind kind = LmArmKind::kOff;
  int k = 0;               // neighbours of a chunk; 0 for kOff
  double db_fraction = 1;  // of the database's documents
};

// `kinds`: "off", "on", "random", "other", each once. `ks`: the first is every arm's number of neighbours, each further
// one gives an arm "on k=…". `db_fractions`: each one below 1 gives an arm "on db=…". Throws Error(kInvalidArgument) on
// no arm, on unknown and repeated ones, on k < 1 and on sweeps without the arm "on".
std::vector<LmArm> PlanLmArms(const std::vector<std::string>& kinds, const std::vector<int>& ks,
                              const std::vector<double>& db_fractions);

// Throws Error(kInvalidArgument) when arms want neighbours and the model (`model` names it) or the database is missing.
void RequireNeighboursPossible(std::span<const LmArm> arms, const std::string& model,
                               const std::optional<RetroConfig>& retro, bool has_database);

// For each document and chunk, ids best first.
using LmArmNeighbours = std::vector<std::vector<std::vector<ChunkId>>>;

// What arms choose from.
struct LmArmInput {
  std::span<const LmDocument> documents;
  const LmNeighbours& neighbours;
  const std::vector<double>& fractions;  // those that `neighbours` were found with
  uint64_t num_database_chunks = 0;
  std::function<uint64_t(ChunkId)> document_of;  // hash of the id of a chunk's document
  uint64_t seed = 0;
  std::function<bool(ChunkId)> is_removed = {};  // not to be drawn at random; may be missing
};

// Every arm but "off" (which has none) gives a chunk as many neighbours as "on" with the same k does, none of them of
// the document itself (fewer where an arm has no more). Throws Error(kInvalidArgument) for kOther with fewer than two
// documents.
LmArmNeighbours ChooseLmNeighbours(const LmArm& arm, const LmArmInput& input);

// For each element of all groups, one after the other, an element of another group; no element twice unless one group
// has more than half of them all. Neighbouring elements get neighbouring ones, mostly. REQUIRES: two groups not empty
std::vector<size_t> DerangeAcrossGroups(std::span<const size_t> group_sizes, uint64_t seed);

}  // namespace retro
