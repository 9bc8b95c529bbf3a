// retro corpus build: documents → tokens; retro corpus dedup: documents → those that repeat no other.
#include "datasets/corpus.h"

#include <iostream>
#include <optional>

#include "cli/command.h"
#include "core/log.h"
#include "datasets/deduplicate.h"
#include "model/load_tokenizer.h"

namespace retro::cli {
namespace {

struct CorpusCommandOptions {
  std::vector<std::string> inputs;
  std::string out, tokenizer;
  uint64_t memory_mb = 256;
  bool stop_on_bad_input = false, stop_on_duplicates = false;
  std::optional<double> dedup_threshold;
  CorpusOptions corpus;
};

void Build(CorpusCommandOptions options, const GlobalOptions& globals) {
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  options.corpus.memory_bytes = options.memory_mb << 20;
  if (options.stop_on_bad_input) options.corpus.reader.on_bad_input = BadInput::kStop;
  if (options.stop_on_duplicates) options.corpus.on_duplicate_id = CorpusOptions::Duplicates::kStop;
  if (options.dedup_threshold) options.corpus.near_duplicates.emplace().threshold = *options.dedup_threshold;
  ThreadPool pool(globals.num_threads);
  const Manifest manifest =
      BuildCorpus({options.inputs.begin(), options.inputs.end()}, *tokenizer, options.out, options.corpus, pool);
  if (globals.json) return PrintJson(manifest.counts);
  std::cout << options.out << ": " << manifest.counts.dump() << '\n';
}

void AddBuild(CLI::App& corpus, const GlobalOptions& globals) {
  auto* build = corpus.add_subcommand("build", "Tokenize documents into a corpus folder");
  auto options = std::make_shared<CorpusCommandOptions>();
  build->add_option("--input", options->inputs, "JSON lines or text, plain, .gz or .zst; folders of these; - for stdin")
      ->required();
  build->add_option("--out", options->out, "The corpus folder to make")->required();
  build->add_option("--tokenizer", options->tokenizer, "A model folder, tokenizer.json, .model or .gguf file")
      ->required()
      ->envname("RETRO_MODEL");
  build->add_option("--valid-fraction", options->corpus.valid_fraction, "Share of documents held out for validation")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  build->add_option("--test-fraction", options->corpus.test_fraction, "Share of documents held out for the test")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  build->add_option("--seed", options->corpus.seed, "Chooses which documents are held out")->capture_default_str();
  build->add_option("--memory", options->memory_mb, "MiB of documents held at once")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  build->add_option("--max-shard-tokens", options->corpus.max_shard_tokens, "Tokens of one shard file")
      ->capture_default_str();
  build
      ->add_option(
          "--dedup", options->dedup_threshold,
          "Leave out documents whose similarity to an earlier one is at least this (0.8 is usual; see corpus dedup)")
      ->check(CLI::Range(0.0, 1.0));
  build->add_flag("--append-eos", options->corpus.append_eos,
                  "An end-of-text token after each document (for training)");
  build->add_option("--max-line-bytes", options->corpus.reader.max_line_bytes, "Longer lines are skipped")
      ->capture_default_str();
  build->add_flag("--stop-on-bad-input", options->stop_on_bad_input,
                  "End at the first bad line instead of counting it");
  build->add_flag("--stop-on-duplicates", options->stop_on_duplicates, "End at the first id that was seen before");
  build->callback([options, &globals] { Build(*options, globals); });
}

struct DedupOptions {
  std::vector<std::string> inputs;
  std::string out;
  uint64_t memory_mb = 256;
  bool stop_on_bad_input = false;
  DeduplicateOptions dedup;
};

void Dedup(DedupOptions options, const GlobalOptions& globals) {
  options.dedup.memory_bytes = options.memory_mb << 20;
  if (options.stop_on_bad_input) options.dedup.reader.on_bad_input = BadInput::kStop;
  ThreadPool pool(globals.num_threads);
  const DeduplicateReport report =
      DeduplicateDocuments({options.inputs.begin(), options.inputs.end()}, options.out, options.dedup, pool);
  if (const std::string problems = report.read.Summary(); !problems.empty()) {
    spdlog::warn("{}: {}", options.out, problems);
  }
  const uint64_t dropped = report.documents - report.kept;
  if (globals.json) {
    return PrintJson(
        {{"documents", report.documents}, {"kept", report.kept}, {"dropped", dropped}, {"clusters", report.clusters}});
  }
  std::cout << fmt::format("{}: {} of {} documents; {} dropped that nearly repeat one of {}\n", options.out,
                           report.kept, report.documents, dropped, report.clusters);
}

void AddDedup(CLI::App& corpus, const GlobalOptions& globals) {
  auto* dedup = corpus.add_subcommand("dedup", "Documents without those that nearly repeat an earlier one");
  auto options = std::make_shared<DedupOptions>();
  NearDuplicateOptions& near = options->dedup.near;
  dedup->add_option("--input", options->inputs, "JSON lines or text, plain, .gz or .zst; folders of these")->required();
  dedup->add_option("--out", options->out, "The file of JSON lines to make, with the documents that are kept")
      ->required();
  dedup->add_option("--report", options->dedup.report, "Also a file with a line for each document that was dropped");
  dedup
      ->add_option("--threshold", near.threshold,
                   "Jaccard similarity of two documents' word n-grams from which on they are duplicates")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  dedup->add_option("--permutations", near.num_permutations, "Numbers of a document's MinHash signature")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  dedup->add_option("--ngram", near.ngram, "Words of an n-gram")->check(CLI::Range(1, 4096))->capture_default_str();
  dedup->add_flag("--exact", near.exact,
                  "Compare what the signatures find by the n-grams themselves; takes 8 bytes of memory a word");
  dedup->add_option("--seed", near.seed, "Of the signatures")->capture_default_str();
  dedup->add_option("--memory", options->memory_mb, "MiB of documents held at once, besides the signatures")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  dedup->add_option("--max-line-bytes", options->dedup.reader.max_line_bytes, "Longer lines are skipped")
      ->capture_default_str();
  dedup->add_flag("--stop-on-bad-input", options->stop_on_bad_input,
                  "End at the first bad line instead of counting it");
  dedup->callback([options, &globals] { Dedup(*options, globals); });
}

}  // namespace

void AddCorpus(CLI::App& app, const GlobalOptions& globals) {
  auto* corpus = app.add_subcommand("corpus", "Documents to tokens")->require_subcommand(1);
  AddBuild(*corpus, globals);
  AddDedup(*corpus, globals);
}

}  // namespace retro::cli
