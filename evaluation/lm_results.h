// The results of `retro eval lm` as files: JSON for programs, Markdown for people.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluation/lm_evaluation.h"
#include "evaluation/lm_summary.h"

namespace retro {

// What the sums do not say about a run.
struct LmRunInfo {
  std::string model;        // a name for tables
  nlohmann::json config;    // every option as resolved
  nlohmann::json input;     // documents left out or cut, the prefix token, what readers skipped
  nlohmann::json database;  // null without one
  std::string version;      // of the program
};

// The fields that lm-evaluation-harness writes ("results", "configs", "versions", "n-samples", "higher_is_better",
// "config"; a task for each arm), and "lm" with all else: sums of every arm in all, by source and by overlap, the
// differences, the histogram of overlaps, and the sums of every document. Numbers that do not exist are null.
nlohmann::json LmResultsToJson(const LmEvaluation& evaluation, const std::vector<LmDifference>& differences,
                               const LmRunInfo& info);

// Tables of arms, differences, overlaps and sources.
std::string LmResultsToMarkdown(const LmEvaluation& evaluation, const std::vector<LmDifference>& differences,
                                const LmRunInfo& info);

// "everything", "r ≤ 0.125", "source wiki".
std::string ScopeName(const LmScope& scope);

}  // namespace retro
