// From the sums of an evaluation to the figures that are reported. Pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/bootstrap.h"
#include "evaluation/lm_evaluation.h"

namespace retro {

struct LmSums {
  double nats = 0;
  uint64_t documents = 0, chunks = 0, tokens = 0, bytes = 0, words = 0;

  double BitsPerByte() const;
  double BytePerplexity() const;   // 2 ^ bits per byte
  double WordPerplexity() const;   // e ^ (nats / words of the original text): the same for every tokenizer
  double TokenPerplexity() const;  // of this tokenizer only
};

// The most that a chunk of "no local leakage" may share with its neighbours: 8 of 64 tokens.
inline constexpr double kNoLeakage = 0.125;
inline constexpr double kOverlapLimits[] = {kNoLeakage, 0.25, 0.5, 0.75, 1.0};

// Which chunks count: those of one source (empty: all), with at most this overlap (without: all).
struct LmScope {
  std::string source = {};
  std::optional<double> max_overlap = {};
};

// `words` is only known for whole documents: 0 in a scope with max_overlap.
LmSums SumScores(const LmEvaluation& evaluation, size_t arm, const LmScope& scope = {});
std::vector<std::string> Sources(const LmEvaluation& evaluation);  // sorted

// One row of the histogram of overlaps.
struct OverlapBin {
  double low = 0, high = 0;  // low <= r < high; the last one holds r = 1 too
  uint64_t chunks = 0, tokens = 0, bytes = 0;
};
std::vector<OverlapBin> OverlapHistogram(const LmEvaluation& evaluation);

struct LmDifference {
  std::string arm, reference;
  LmScope scope;
  double bits_per_byte = 0;  // below 0: the arm is better than its reference
  double relative = 0;       // of the reference's bits per byte
  std::optional<Interval> interval;
};

// Every arm against the first; then "on" against "random" and "other". Each over everything, each source (where there
// are several) and each overlap limit below 1 (where overlaps are known).
std::vector<LmDifference> Differences(const LmEvaluation& evaluation, const BootstrapOptions& options);

}  // namespace retro
