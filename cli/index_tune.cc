// retro index tune: the search setting that reaches a recall or keeps a latency, measured and kept in the database.
#include <iostream>

#include "cli/index.h"
#include "cli/open.h"
#include "index-builder/search_tuner.h"

namespace retro::cli {
namespace {

struct IndexTuneOptions {
  DatabaseOptions database;
  TuneOptions tune;
  double latency_ms = 0;  // 0: not given
  std::string queries;
};

void Print(const TunedPart& part) {
  std::cout << fmt::format("{}{}: {} chunks", part.name, part.name.empty() ? part.factory : " " + part.factory,
                           part.chunks);
  if (part.front.empty()) {
    std::cout << ", exact: nothing to tune\n";
    return;
  }
  std::cout << fmt::format("; of {} settings measured, those that no other one beats:\n", part.settings);
  std::cout << fmt::format("  {:>8} {:>9} {:>7} {:>10} {:>10} {:>10}\n", "nprobe", "efSearch", "rerank",
                           fmt::format("recall@{}", part.front.front().k), "median ms", "95 % ms");
  for (size_t i = 0; i < part.front.size(); ++i) {
    const TunedSearch& point = part.front[i];
    std::cout << fmt::format("{} {:>8} {:>9} {:>7} {:>10.4f} {:>10.3f} {:>10.3f}\n", i == part.chosen ? '*' : ' ',
                             point.nprobe, point.ef_search == 0 ? "-" : std::to_string(point.ef_search),
                             point.rerank_factor, point.recall, point.median_ms, point.p95_ms);
  }
  if (!part.reached) std::cout << "  none reaches what was asked for; the nearest to it was chosen\n";
}

void Tune(IndexTuneOptions options, const GlobalOptions& globals) {
  if (options.latency_ms > 0) options.tune.latency_ms = options.latency_ms;
  if (!options.queries.empty()) options.tune.queries = ReadLines(options.queries);
  std::erase(options.tune.queries, "");
  const auto tokenizer = OpenTokenizer(options.database);
  const auto embedder = OpenEmbedder(options.database);
  ThreadPool pool(globals.num_threads);
  const TuneReport report = TuneDatabase(options.database.db, *tokenizer, *embedder, options.tune, pool);
  if (globals.json) return PrintJson(report.ToJson());
  for (const TunedPart& part : report.parts) Print(part);
  if (report.changed) {
    std::cout << fmt::format("{}: searches have the settings marked * from now on (generation {})\n",
                             options.database.db, report.generation);
  }
}

}  // namespace

void AddIndexTune(CLI::App& index, const GlobalOptions& globals) {
  auto* tune = index.add_subcommand(
      "tune",
      "Measure recall and latency over nprobe, efSearch and re-ranking, and keep the best setting in the database\n"
      "For example: retro index tune --db db --recall 0.98");
  auto options = std::make_shared<IndexTuneOptions>();
  AddFolderOptions(*tune, options->database);
  auto* recall = tune->add_option("--recall", options->tune.recall,
                                  "Share of the k nearest, as exact search finds them, that the quickest setting with "
                                  "it has to find")
                     ->check(CLI::Range(0.01, 1.0))
                     ->capture_default_str();
  tune->add_option("--latency-ms", options->latency_ms,
                   "Instead: the best recall with which 95 of 100 searches take at most so long, without embedding the "
                   "question")
      ->check(CLI::PositiveNumber)
      ->excludes(recall);
  tune->add_option("--k", options->tune.k, "Nearest chunks that recall is of")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  tune->add_option("--queries", options->queries,
                   "Measure with these texts, one a line (- for stdin); default: the first halves of drawn chunks");
  tune->add_option("--num-queries", options->tune.num_queries,
                   "Drawn chunks to measure with; 0: one per hundred, 100 to 1000")
      ->capture_default_str();
  tune->add_option("--seed", options->tune.seed, "Of the drawn chunks")->capture_default_str();
  tune->callback([options, &globals] { Tune(*options, globals); });
}

}  // namespace retro::cli
