// Which search setting a database should have: recall against exact search and latency measured over what can be set,
// and the choice kept in a new generation, so that every search has it from then on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizer.h"
#include "retriever/embedder.h"
#include "retriever/generation.h"

namespace retro {

class ThreadPool;

struct TuneOptions {
  int k = 10;            // recall is of the k nearest
  double recall = 0.95;  // the quickest setting that reaches it is chosen
  // Instead: the best recall among the settings with which 95 of 100 searches of the whole database take no longer.
  std::optional<double> latency_ms = {};
  // Texts to measure with; empty: the first halves of randomly drawn chunks, of which no row of the index is.
  std::vector<std::string> queries = {};
  uint32_t num_queries = 0;  // drawn; 0: one per hundred chunks, 100 to 1000
  uint64_t seed = 0;
  std::function<void(std::string_view step)> on_step = {};  // as UpdateOptions::on_step
};

struct TunedPart {
  std::string name;  // as in the generation
  std::string factory;
  uint64_t chunks = 0;
  // Settings of which no other is both quicker (by the median) and finds more, quickest first. Empty: an index that is
  // exact has nothing to tune.
  std::vector<TunedSearch> front = {};
  size_t chosen = 0;      // of front
  bool reached = true;    // false: no setting does what was asked for, and the nearest to it was chosen
  uint64_t settings = 0;  // measured
};

struct TuneReport {
  bool changed = false;     // false: every index is exact, and there is no new generation
  uint64_t generation = 0;  // that is there now
  std::vector<TunedPart> parts;

  nlohmann::json ToJson() const;
};

// Each part is tuned by itself: where every part finds the share R of its own k nearest, the database finds R of all or
// more. Of a limit on latency each part gets the share of its chunks. Latency is that of one search alone on the
// calling thread, without embedding the question. Throws Error: kInvalidArgument when an inexact part has no
// embeddings, so that what it should find is not known, on options that cannot be, and when the database was built with
// another tokenizer or embedder; kUnavailable when it is being changed, kNotFound, kCorruption, kIo. Then it is what it
// was.
TuneReport TuneDatabase(const std::filesystem::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                        const TuneOptions& options, ThreadPool& pool);

}  // namespace retro
