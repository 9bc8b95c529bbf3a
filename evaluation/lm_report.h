// Results of `retro eval lm` and training curves, read back and shown as one page.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "evaluation/bootstrap.h"

namespace retro {

// Sums and figures as evaluation/lm_results.h writes them; NaN where the file has null or nothing.
struct LmReportSums {
  double bits_per_byte = 0, byte_perplexity = 0, word_perplexity = 0, token_perplexity = 0;
  uint64_t documents = 0, chunks = 0, tokens = 0, bytes = 0;
};

struct LmReportArm {
  std::string name, kind;
  int k = 0;
  double db_fraction = 1;
  double neighbours_a_chunk = 0;  // NaN for "off"
  LmReportSums total;
  std::map<std::string, LmReportSums> sources;
  std::vector<std::pair<double, LmReportSums>> overlaps;  // by the most overlap, ascending
  std::vector<double> nats;                               // of each document
};

struct LmReportDifference {
  std::string arm, reference, scope;
  double bits_per_byte = 0, relative = 0;
  std::optional<Interval> interval;
};

struct LmReportBin {
  double low = 0, high = 0;
  uint64_t chunks = 0, bytes = 0;
};

struct LmReportRun {
  std::string name;                                           // of the model
  std::vector<std::pair<std::string, std::string>> settings;  // as shown
  std::vector<LmReportArm> arms;                              // at least one
  std::vector<LmReportDifference> differences;
  std::vector<LmReportBin> histogram;                       // empty without a database
  std::vector<std::pair<std::string, uint64_t>> documents;  // id and bytes
  uint64_t database_chunks = 0;                             // 0 without a database
  BootstrapOptions bootstrap;
  bool interrupted = false;
};

// Throws Error(kNotFound, kIo), and Error(kCorruption) naming the file and what is wrong with it.
LmReportRun ReadLmResults(const std::filesystem::path& path);

// A measure during one training run, by step.
struct TrainingCurve {
  std::string name;     // "RUN training", "RUN validation, off"
  std::string measure;  // "bits per byte" or "loss"
  bool validation = false;
  std::vector<std::pair<double, double>> points;
};

// From the metrics.jsonl of `retro train` (docs/formats.md). Lines that are cut off or of another kind are passed over.
// Throws Error(kNotFound, kIo), and Error(kInvalidArgument) when no line has a measure.
std::vector<TrainingCurve> ReadTrainingCurves(const std::filesystem::path& path);

// A page that loads nothing: style and plots are in it, and every text of the inputs is escaped. All arms are compared
// with the first arm of the first run, where they scored the same documents. REQUIRES: at least one run or curve
std::string LmReportHtml(const std::vector<LmReportRun>& runs, const std::vector<TrainingCurve>& curves);

}  // namespace retro
