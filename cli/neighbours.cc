// retro neighbours build|stats.
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"
#include "datasets/neighbour_table.h"
#include "index-builder/neighbour_builder.h"

namespace retro::cli {
namespace {

struct BuildOptions {
  std::string corpus, out, order = "none", candidates_from;
  DatabaseOptions database;
  NeighbourOptions neighbours;
};

double Share(const nlohmann::json& part, const nlohmann::json& whole) {
  return whole.get<double>() > 0 ? part.get<double>() / whole.get<double>() : 0;
}

void PrintOverlaps(const nlohmann::json& counts) {
  const nlohmann::json& bins = counts.at("next_overlap");
  std::cout << "longest run of tokens that a neighbour shares with the next chunk:\n";
  for (size_t i = 0; i < bins.size(); ++i) {
    std::cout << fmt::format("  up to {:5.1f} %  {:10}  {:5.1f} %\n", 100.0 * (i + 1) / bins.size(), bins[i].dump(),
                             100 * Share(bins[i], counts.at("neighbours")));
  }
}

void Print(const std::string& folder, const Manifest& manifest) {
  const nlohmann::json &counts = manifest.counts, &options = manifest.options, &dropped = counts.at("dropped");
  std::cout << fmt::format("{}: {} sequences of {} tokens, {} chunks of {}, {} neighbours each, order {}\n", folder,
                           counts.at("sequences").dump(), options.at("seq_len").dump(), counts.at("rows").dump(),
                           options.at("chunk_len").dump(), options.at("k").dump(),
                           options.at("order").get<std::string>());
  std::cout << fmt::format(
      "{} candidates; dropped: {} of a document of the sequence, {} too like the next chunk, {} too "
      "like another neighbour\n",
      counts.at("candidates").dump(), dropped.at("same_document").dump(), dropped.at("next_overlap").dump(),
      dropped.at("row_overlap").dump());
  std::cout << fmt::format("{} neighbours, mean squared distance {:.4f}, {:.1f} % without a whole continuation\n",
                           counts.at("neighbours").dump(), counts.at("mean_distance").get<double>(),
                           100 * Share(counts.at("short_neighbours"), counts.at("neighbours")));
  std::cout << fmt::format("{:.1f} % of the chunks have fewer than {}, {:.1f} % have none\n",
                           100 * Share(counts.at("short_rows"), counts.at("rows")), options.at("k").dump(),
                           100 * Share(counts.at("empty_rows"), counts.at("rows")));
  PrintOverlaps(counts);
}

void Report(const std::string& folder, const Manifest& manifest, const GlobalOptions& globals) {
  if (!globals.json) return Print(folder, manifest);
  PrintJson({{"options", manifest.options}, {"counts", manifest.counts}});
}

void Build(BuildOptions options, const GlobalOptions& globals) {
  options.neighbours.selection.order = ParseNeighbourOrder(options.order);
  options.neighbours.candidates_from = options.candidates_from;
  options.neighbours.search.nprobe = options.database.search.nprobe;
  options.neighbours.search.rerank_factor = options.database.search.rerank_factor;
  const auto database = OpenDatabase(options.database, OpenEmbedder(options.database));
  ThreadPool pool(globals.num_threads);
  Report(options.out, BuildNeighbours(options.corpus, *database, options.out, options.neighbours, pool), globals);
}

void AddSelectionOptions(CLI::App& build, BuildOptions& options) {
  SelectionOptions& selection = options.neighbours.selection;
  build.add_option("--k", selection.k, "Neighbours of a chunk")->capture_default_str();
  build
      .add_option("--rerank", options.order,
                  "Order of the candidates: none (as the search found them), exact (by embeddings; refused where the "
                  "database kept none) or bm25 (by shared tokens)")
      ->check(CLI::IsMember({"none", "exact", "bm25"}))
      ->capture_default_str();
  build
      .add_option("--max-next-overlap", selection.max_next_overlap,
                  "Drop what has more than this share of the next chunk's tokens in one run; 1: keep all")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  build
      .add_option("--max-row-overlap", selection.max_row_overlap,
                  "Drop what repeats more than this share of itself in one run from a better neighbour; 1: keep all")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  build.add_option("--candidates-from", options.candidates_from,
                   "A neighbour table whose candidates to use instead of a search");
}

void AddBuild(CLI::App& neighbours, const GlobalOptions& globals) {
  auto* build = neighbours.add_subcommand("build", "The neighbours of every chunk of a corpus, for training");
  auto options = std::make_shared<BuildOptions>();
  build->add_option("--corpus", options->corpus, "A folder made by retro corpus build")->required();
  build->add_option("--part", options->neighbours.part, "train, valid or test")->capture_default_str();
  build->add_option("--out", options->out, "The folder of the neighbour table to make")->required();
  build
      ->add_option("--seq-len", options->neighbours.seq_len,
                   "Tokens of a training sequence, a multiple of the database's chunk length: no neighbour is of a "
                   "document that its sequence touches")
      ->capture_default_str();
  build
      ->add_option("--candidates", options->neighbours.search.candidates,
                   "Chunks to search for each chunk, of which the neighbours are chosen")
      ->capture_default_str();
  build->add_option("--block-rows", options->neighbours.search.block_rows, "Chunks searched as one resumable block")
      ->capture_default_str();
  AddOpenOptions(*build, options->database);
  AddSelectionOptions(*build, *options);
  build->callback([options, &globals] { Build(*options, globals); });
}

void AddStats(CLI::App& neighbours, const GlobalOptions& globals) {
  auto* stats = neighbours.add_subcommand("stats", "What a neighbour table holds and what its rules dropped");
  auto folder = std::make_shared<std::string>();
  stats->add_option("--table", *folder, "The neighbour table")->required();
  stats->callback([folder, &globals] { Report(*folder, NeighbourTable(*folder).manifest(), globals); });
}

}  // namespace

void AddNeighbours(CLI::App& app, const GlobalOptions& globals) {
  auto* neighbours =
      app.add_subcommand("neighbours", "Neighbours of a corpus, found before training")->require_subcommand(1);
  AddBuild(*neighbours, globals);
  AddStats(*neighbours, globals);
}

}  // namespace retro::cli
