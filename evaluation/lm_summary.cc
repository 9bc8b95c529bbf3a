#include "evaluation/lm_summary.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

namespace retro {
namespace {

constexpr int kHistogramBins = 16;

bool InScope(const LmEvaluation& evaluation, size_t d, const LmScope& scope) {
  return scope.source.empty() || evaluation.documents[d].source == scope.source;
}

bool InScope(const LmEvaluation& evaluation, size_t d, size_t u, const LmScope& scope) {
  return !scope.max_overlap || evaluation.overlaps[d][u] <= *scope.max_overlap;
}

uint64_t ScoredTokens(const LmEvaluation& evaluation, size_t d, size_t u) {
  const size_t begin = std::max<size_t>(1, u * evaluation.chunk_len);
  return std::min((u + 1) * evaluation.chunk_len, evaluation.documents[d].tokens.size()) - begin;
}

std::vector<PairedNats> Pairs(const LmEvaluation& evaluation, size_t arm, size_t reference, const LmScope& scope) {
  std::vector<PairedNats> pairs;
  for (size_t d = 0; d < evaluation.documents.size(); ++d) {
    if (!InScope(evaluation, d, scope)) continue;
    PairedNats pair;
    for (size_t u = 0; u < evaluation.documents[d].num_chunks(); ++u) {
      if (!InScope(evaluation, d, u, scope)) continue;
      pair.nats += evaluation.arms[arm].documents[d].nats[u];
      pair.reference_nats += evaluation.arms[reference].documents[d].nats[u];
      pair.bytes += evaluation.documents[d].chunk_bytes[u];
    }
    pairs.push_back(pair);
  }
  return pairs;
}

std::vector<LmScope> Scopes(const LmEvaluation& evaluation) {
  std::vector<LmScope> scopes{{}};
  if (!evaluation.overlaps.empty()) {
    for (const double limit : kOverlapLimits) {
      if (limit < 1) scopes.push_back({.max_overlap = limit});
    }
  }
  const std::vector<std::string> sources = Sources(evaluation);
  for (const std::string& source : sources) {
    if (sources.size() > 1) scopes.push_back({.source = source});
  }
  return scopes;
}

// Pairs of arm and reference to compare, by number.
std::vector<std::pair<size_t, size_t>> Comparisons(const LmEvaluation& evaluation) {
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t arm = 1; arm < evaluation.arms.size(); ++arm) pairs.emplace_back(arm, 0);
  const auto on = std::ranges::find_if(evaluation.arms, [](const auto& scores) { return scores.arm.name == "on"; });
  if (on == evaluation.arms.end()) return pairs;
  for (size_t arm = 1; arm < evaluation.arms.size(); ++arm) {
    const LmArmKind kind = evaluation.arms[arm].arm.kind;
    const bool control = kind == LmArmKind::kRandom || kind == LmArmKind::kOther;
    if (control && on != evaluation.arms.begin()) pairs.emplace_back(on - evaluation.arms.begin(), arm);
  }
  return pairs;
}

}  // namespace

double LmSums::BitsPerByte() const { return nats / std::numbers::ln2 / static_cast<double>(bytes); }
double LmSums::BytePerplexity() const { return std::exp2(BitsPerByte()); }
double LmSums::WordPerplexity() const { return std::exp(nats / static_cast<double>(words)); }
double LmSums::TokenPerplexity() const { return std::exp(nats / static_cast<double>(tokens)); }

LmSums SumScores(const LmEvaluation& evaluation, size_t arm, const LmScope& scope) {
  LmSums sums;
  for (size_t d = 0; d < evaluation.documents.size(); ++d) {
    if (!InScope(evaluation, d, scope)) continue;
    uint64_t chunks = 0;
    for (size_t u = 0; u < evaluation.documents[d].num_chunks(); ++u) {
      if (!InScope(evaluation, d, u, scope)) continue;
      ++chunks;
      sums.tokens += ScoredTokens(evaluation, d, u);
      sums.bytes += evaluation.documents[d].chunk_bytes[u];
      sums.nats += evaluation.arms[arm].documents[d].nats[u];
    }
    sums.chunks += chunks;
    sums.documents += chunks > 0;
    if (!scope.max_overlap) sums.words += evaluation.documents[d].words;
  }
  return sums;
}

std::vector<std::string> Sources(const LmEvaluation& evaluation) {
  std::set<std::string> sources;
  for (const LmDocument& document : evaluation.documents) sources.insert(document.source);
  return {sources.begin(), sources.end()};
}

std::vector<OverlapBin> OverlapHistogram(const LmEvaluation& evaluation) {
  std::vector<OverlapBin> bins;
  for (int bin = 0; bin < kHistogramBins; ++bin) {
    bins.push_back({.low = static_cast<double>(bin) / kHistogramBins, .high = (bin + 1.0) / kHistogramBins});
  }
  for (size_t d = 0; d < evaluation.documents.size(); ++d) {
    for (size_t u = 0; u < evaluation.documents[d].num_chunks(); ++u) {
      const int bin = static_cast<int>(evaluation.overlaps[d][u] * kHistogramBins);
      OverlapBin& its = bins[std::min(bin, kHistogramBins - 1)];
      ++its.chunks;
      its.tokens += ScoredTokens(evaluation, d, u);
      its.bytes += evaluation.documents[d].chunk_bytes[u];
    }
  }
  return bins;
}

std::vector<LmDifference> Differences(const LmEvaluation& evaluation, const BootstrapOptions& options) {
  std::vector<LmDifference> differences;
  for (const auto& [arm, reference] : Comparisons(evaluation)) {
    for (const LmScope& scope : Scopes(evaluation)) {
      const std::vector<PairedNats> pairs = Pairs(evaluation, arm, reference, scope);
      const double difference = BitsPerByteDifference(pairs);
      differences.push_back({.arm = evaluation.arms[arm].arm.name,
                             .reference = evaluation.arms[reference].arm.name,
                             .scope = scope,
                             .bits_per_byte = difference,
                             .relative = difference / SumScores(evaluation, reference, scope).BitsPerByte(),
                             .interval = BootstrapInterval(pairs, options)});
    }
  }
  return differences;
}

}  // namespace retro
