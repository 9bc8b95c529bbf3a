#include "evaluation/lm_arms.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "evaluation/random_numbers.h"

namespace retro {
namespace {

const std::map<std::string, LmArmKind> kKinds = {
    {"off", LmArmKind::kOff}, {"on", LmArmKind::kOn}, {"random", LmArmKind::kRandom}, {"other", LmArmKind::kOther}};

// Tries for a random chunk before it is left missing: only a database of little but one document needs many.
constexpr int kMaxDraws = 100;

LmArmNeighbours Empty(std::span<const LmDocument> documents) {
  LmArmNeighbours chosen;
  for (const LmDocument& document : documents) chosen.emplace_back(document.num_chunks());
  return chosen;
}

// The first k that were found for each chunk.
class FoundNeighbours {
 public:
  FoundNeighbours(const LmArm& arm, const LmArmInput& input)
      : input_(input),
        k_(static_cast<size_t>(arm.k)),
        fraction_(std::ranges::find(input.fractions, arm.db_fraction) - input.fractions.begin()) {}

  std::span<const FoundChunk> At(size_t document, size_t chunk) const {
    const auto& found = input_.neighbours.findings[document][chunk].by_fraction[fraction_];
    return std::span(found).first(std::min(k_, found.size()));
  }

 private:
  const LmArmInput& input_;
  size_t k_, fraction_;
};

LmArmNeighbours ChooseFound(const FoundNeighbours& found, const LmArmInput& input) {
  LmArmNeighbours chosen = Empty(input.documents);
  for (size_t d = 0; d < chosen.size(); ++d) {
    for (size_t u = 0; u < chosen[d].size(); ++u) {
      for (const FoundChunk& neighbour : found.At(d, u)) chosen[d][u].push_back(neighbour.chunk);
    }
  }
  return chosen;
}

LmArmNeighbours ChooseRandom(const FoundNeighbours& found, const LmArmInput& input) {
  LmArmNeighbours chosen = Empty(input.documents);
  RandomNumbers random(input.seed);
  for (size_t d = 0; d < chosen.size(); ++d) {
    const uint64_t own = DocumentHash(input.documents[d].id);
    for (size_t u = 0; u < chosen[d].size(); ++u) {
      auto& ids = chosen[d][u];
      const size_t wanted = found.At(d, u).size();
      for (int draw = 0; draw < kMaxDraws && ids.size() < wanted; ++draw) {
        const ChunkId id{random.Below(input.num_database_chunks)};
        if (input.is_removed && input.is_removed(id)) continue;
        if (std::ranges::find(ids, id) == ids.end() && input.document_of(id) != own) ids.push_back(id);
      }
    }
  }
  return chosen;
}

LmArmNeighbours ChooseOther(const FoundNeighbours& found, const LmArmInput& input) {
  if (input.documents.size() < 2) {
    Throw(ErrorCode::kInvalidArgument, "the arm 'other' needs two documents or more; give more, or leave it out");
  }
  std::vector<size_t> sizes;
  std::vector<std::pair<size_t, size_t>> places;
  for (size_t d = 0; d < input.documents.size(); ++d) {
    sizes.push_back(input.documents[d].num_chunks());
    for (size_t u = 0; u < sizes.back(); ++u) places.emplace_back(d, u);
  }
  const std::vector<size_t> donors = DerangeAcrossGroups(sizes, input.seed);
  LmArmNeighbours chosen = Empty(input.documents);
  for (size_t i = 0; i < places.size(); ++i) {
    const auto [d, u] = places[i];
    const auto [donor, donor_chunk] = places[donors[i]];
    const uint64_t own = DocumentHash(input.documents[d].id);
    const size_t wanted = found.At(d, u).size();
    for (const FoundChunk& neighbour : found.At(donor, donor_chunk)) {
      if (neighbour.document != own && chosen[d][u].size() < wanted) chosen[d][u].push_back(neighbour.chunk);
    }
  }
  return chosen;
}

void CheckArms(const std::vector<std::string>& kinds, const std::vector<int>& ks, bool sweeps) {
  if (kinds.empty()) Throw(ErrorCode::kInvalidArgument, "no arm is given; give some of off, on, random, other");
  for (const std::string& kind : kinds) {
    if (!kKinds.contains(kind)) {
      Throw(ErrorCode::kInvalidArgument, "unknown arm '{}'; there are off, on, random and other", kind);
    }
    if (std::ranges::count(kinds, kind) > 1) Throw(ErrorCode::kInvalidArgument, "the arm '{}' is given twice", kind);
  }
  for (const int k : ks) {
    if (k < 1) Throw(ErrorCode::kInvalidArgument, "k is {}: it must be at least 1; for none take the arm 'off'", k);
  }
  if (ks.empty()) Throw(ErrorCode::kInvalidArgument, "no k is given");
  if (sweeps && std::ranges::find(kinds, "on") == kinds.end()) {
    Throw(ErrorCode::kInvalidArgument, "several k or database fractions need the arm 'on'");
  }
}

}  // namespace

std::vector<LmArm> PlanLmArms(const std::vector<std::string>& kinds, const std::vector<int>& ks,
                              const std::vector<double>& db_fractions) {
  const bool smaller = std::ranges::any_of(db_fractions, [](double fraction) { return fraction != 1; });
  CheckArms(kinds, ks, ks.size() > 1 || smaller);
  std::vector<LmArm> arms;
  for (const std::string& kind : kinds) {
    arms.push_back({.name = kind, .kind = kKinds.at(kind), .k = kind == "off" ? 0 : ks[0]});
  }
  for (const int k : std::set<int>(ks.begin(), ks.end())) {
    if (k != ks[0]) arms.push_back({.name = fmt::format("on k={}", k), .kind = LmArmKind::kOn, .k = k});
  }
  for (const double fraction : std::set<double>(db_fractions.begin(), db_fractions.end())) {
    if (fraction == 1) continue;
    arms.push_back({fmt::format("on db={}", fraction), LmArmKind::kOn, ks[0], fraction});
  }
  return arms;
}

void RequireNeighboursPossible(std::span<const LmArm> arms, const std::string& model,
                               const std::optional<RetroConfig>& retro, bool has_database) {
  const auto wanting = std::ranges::find_if(arms, [](const LmArm& arm) { return arm.kind != LmArmKind::kOff; });
  if (wanting == arms.end()) return;
  if (!retro) {
    Throw(ErrorCode::kInvalidArgument,
          "the arm '{}' cannot be measured: {} has no \"retro\" section in its config.json, so it attends to no "
          "neighbours; give --arms off",
          wanting->name, model);
  }
  if (!has_database) {
    Throw(ErrorCode::kInvalidArgument, "the arm '{}' needs a database; give --db, or --arms off", wanting->name);
  }
}

std::vector<size_t> DerangeAcrossGroups(std::span<const size_t> group_sizes, uint64_t seed) {
  RandomNumbers random(seed);
  const size_t total = std::accumulate(group_sizes.begin(), group_sizes.end(), size_t{0});
  const size_t largest = *std::ranges::max_element(group_sizes);
  std::vector<size_t> firsts(group_sizes.size()), order(group_sizes.size());
  std::exclusive_scan(group_sizes.begin(), group_sizes.end(), firsts.begin(), size_t{0});
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.Below(i + 1)]);
  // The groups in a ring. A step from `largest` to `total - largest` leads out of every group; where there is none, the
  // elements of each group take those of the others in turn.
  std::vector<size_t> ring;
  for (const size_t group : order) {
    for (size_t i = 0; i < group_sizes[group]; ++i) ring.push_back(firsts[group] + i);
  }
  const bool one_step = 2 * largest <= total;
  const size_t step = one_step ? largest + random.Below(total - 2 * largest + 1) : random.Below(total);
  std::vector<size_t> donors(total);
  size_t place = 0;
  for (const size_t group : order) {
    const size_t size = group_sizes[group];
    for (size_t i = 0; i < size; ++i, ++place) {
      const size_t ahead = one_step ? step : size - i + (i + step) % (total - size);
      donors[ring[place]] = ring[(place + ahead) % total];
    }
  }
  return donors;
}

LmArmNeighbours ChooseLmNeighbours(const LmArm& arm, const LmArmInput& input) {
  if (arm.kind == LmArmKind::kOff) return Empty(input.documents);
  const FoundNeighbours found(arm, input);
  switch (arm.kind) {
    case LmArmKind::kRandom:
      return ChooseRandom(found, input);
    case LmArmKind::kOther:
      return ChooseOther(found, input);
    default:
      return ChooseFound(found, input);
  }
}

}  // namespace retro
