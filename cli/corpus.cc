// retro corpus build: documents → tokens.
#include "datasets/corpus.h"

#include <iostream>

#include "cli/command.h"
#include "model/load_tokenizer.h"

namespace retro::cli {
namespace {

struct Options {
  std::vector<std::string> inputs;
  std::string out, tokenizer;
  uint64_t memory_mb = 256;
  bool stop_on_bad_input = false, stop_on_duplicates = false;
  CorpusOptions corpus;
};

void Build(Options options, const GlobalOptions& globals) {
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  options.corpus.memory_bytes = options.memory_mb << 20;
  if (options.stop_on_bad_input) options.corpus.reader.on_bad_input = BadInput::kStop;
  if (options.stop_on_duplicates) options.corpus.on_duplicate_id = CorpusOptions::Duplicates::kStop;
  ThreadPool pool(globals.num_threads);
  const Manifest manifest =
      BuildCorpus({options.inputs.begin(), options.inputs.end()}, *tokenizer, options.out, options.corpus, pool);
  if (globals.json) return PrintJson(manifest.counts);
  std::cout << options.out << ": " << manifest.counts.dump() << '\n';
}

}  // namespace

void AddCorpus(CLI::App& app, const GlobalOptions& globals) {
  auto* corpus = app.add_subcommand("corpus", "Documents to tokens")->require_subcommand(1);
  auto* build = corpus->add_subcommand("build", "Tokenize documents into a corpus folder");
  auto options = std::make_shared<Options>();
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
  build->add_flag("--append-eos", options->corpus.append_eos,
                  "An end-of-text token after each document (for training)");
  build->add_option("--max-line-bytes", options->corpus.reader.max_line_bytes, "Longer lines are skipped")
      ->capture_default_str();
  build->add_flag("--stop-on-bad-input", options->stop_on_bad_input,
                  "End at the first bad line instead of counting it");
  build->add_flag("--stop-on-duplicates", options->stop_on_duplicates, "End at the first id that was seen before");
  build->callback([options, &globals] { Build(*options, globals); });
}

}  // namespace retro::cli
