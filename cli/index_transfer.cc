// retro index diff|export|import: two databases compared, one written for other programs, one made of what they wrote.
#include <algorithm>
#include <array>
#include <iostream>

#include "cli/index.h"
#include "cli/open.h"
#include "core/error.h"
#include "index-builder/compare_databases.h"
#include "index-builder/export_database.h"
#include "index-builder/import_database.h"
#include "index-builder/verify_index.h"
#include "model/load_tokenizer.h"

namespace retro::cli {
namespace {

constexpr size_t kShownIds = 20;

void PrintIds(const char* what, const nlohmann::json& ids) {
  std::cout << fmt::format("{}: {}\n", what, ids.size());
  for (size_t i = 0; i < std::min(ids.size(), kShownIds); ++i) std::cout << "  " << ids[i].get<std::string>() << '\n';
  if (ids.size() > kShownIds)
    std::cout << fmt::format("  and {} more (all of them with --json)\n", ids.size() - kShownIds);
}

void PrintFields(const char* what, const nlohmann::json& fields) {
  for (const auto& [name, values] : fields.items()) {
    std::cout << fmt::format("{} {}: {} / {}\n", what, name, values.at("a").dump(), values.at("b").dump());
  }
}

void Diff(const std::string& a, const std::string& b, const GlobalOptions& globals) {
  const nlohmann::json difference = CompareDatabases(a, b);
  if (globals.json) return PrintJson(difference);
  const nlohmann::json& documents = difference.at("documents");
  for (const char* what : {"added", "removed", "changed"}) PrintIds(what, documents.at(what));
  std::cout << fmt::format("same: {}\n", documents.at("same").dump());
  for (const char* what : {"chunks", "tokens"}) {
    std::cout << fmt::format("{}: {} / {}\n", what, difference.at(what).at("a").dump(),
                             difference.at(what).at("b").dump());
  }
  PrintFields("option", difference.at("options"));
  PrintFields("fingerprint", difference.at("fingerprints"));
}

void AddDiff(CLI::App& index, const GlobalOptions& globals) {
  auto* diff = index.add_subcommand("diff", "Which documents, options and counts of database B differ from those of A");
  auto folders = std::make_shared<std::array<std::string, 2>>();
  diff->add_option("A", (*folders)[0], "A retrieval database")->required();
  diff->add_option("B", (*folders)[1], "Another one")->required();
  diff->callback([folders, &globals] { Diff((*folders)[0], (*folders)[1], globals); });
}

struct ExportOptions {
  DatabaseOptions database;
  std::string out, embeddings;
};

void Export(const ExportOptions& options, const GlobalOptions& globals) {
  const auto tokenizer = OpenTokenizer(options.database);
  const ExportReport report = ExportDatabase(options.database.db, *tokenizer, options.out, options.embeddings);
  if (globals.json) return PrintJson({{"chunks", report.chunks}, {"dim", report.dim}});
  std::cout << fmt::format("{}: {} chunks\n", options.out, report.chunks);
  if (report.dim > 0) std::cout << fmt::format("{}: {} x {}\n", options.embeddings, report.chunks, report.dim);
}

void AddExport(CLI::App& index, const GlobalOptions& globals) {
  auto* command = index.add_subcommand("export", "Chunks as JSON lines, and their embeddings as a NumPy file");
  auto options = std::make_shared<ExportOptions>();
  command->add_option("--db", options->database.db, "The retrieval database")->required();
  command->add_option("--tokenizer", options->database.tokenizer,
                      "Tokenizer of the chunks; default: the one that it was built with");
  command->add_option("--out", options->out, "The file of JSON lines to write")->required();
  command->add_option("--embeddings", options->embeddings, "The .npy file to write, row i for line i");
  command->callback([options, &globals] { Export(*options, globals); });
}

struct ImportCommand {
  std::string input, embeddings, out, encoder, tokenizer;
  std::optional<EncoderPrecision> precision;
  uint64_t memory_mb = 1024;
  ImportOptions import;
};

void Import(ImportCommand options, const GlobalOptions& globals) {
  IndexOptions& index = options.import.index;
  index.memory_bytes = options.memory_mb << 20;
  index.made_with = {{"encoder", AbsolutePath(options.encoder)}, {"tokenizer", AbsolutePath(options.tokenizer)}};
  const auto tokenizer = LoadTokenizer(options.tokenizer);
  const Embedder embedder(options.encoder, options.precision.value_or(EncoderPrecision::kFp32));
  ThreadPool pool(globals.num_threads);
  const Manifest made =
      ImportDatabase(options.input, options.embeddings, *tokenizer, embedder, options.out, options.import, pool);
  if (globals.json) return PrintJson(IndexStats(options.out));
  std::cout << fmt::format("{}: {} documents, {} chunks, index {}\n", options.out, made.counts.at("documents").dump(),
                           made.counts.at("chunks").dump(), made.counts.at("index").at("factory").get<std::string>());
}

void AddImport(CLI::App& index, const GlobalOptions& globals) {
  auto* command = index.add_subcommand("import", "A database of embeddings that were computed elsewhere");
  auto options = std::make_shared<ImportCommand>();
  command
      ->add_option("--input", options->input,
                   "JSON lines written by retro index export, or documents, which are cut into chunks here")
      ->required();
  command->add_option("--embeddings", options->embeddings, "A .npy matrix of 32-bit floats: a row for each chunk")
      ->required();
  command->add_option("--out", options->out, "The database folder to make")->required();
  command->add_option("--encoder", options->encoder, "Folder of the encoder that made the embeddings")
      ->required()
      ->envname("RETRO_ENCODER");
  command->add_option("--tokenizer", options->tokenizer, "The decoder's tokenizer")->required()->envname("RETRO_MODEL");
  AddPrecisionOption(*command, options->precision,
                     "Embed the chunks that are compared, and those that are added later, in fp32 or int8; default: "
                     "fp32");
  command->add_option("--fingerprint", options->import.fingerprint,
                      "Fingerprint of the encoder that made the embeddings; refused when --encoder has another one");
  command->add_option("--chunk-len", options->import.index.chunk_len, "Tokens of a chunk")->capture_default_str();
  command->add_option("--factory", options->import.index.factory,
                      "FAISS index string; default: chosen by the number of chunks");
  AddKeepOption(*command, options->import.index);
  command->add_flag("--lexical", options->import.index.lexical, "Also make a lexical index of the chunks' words");
  command->add_flag("--embed-title", options->import.index.embed_title,
                    "The embeddings are of texts with the document's title before them");
  command->add_option("--check-chunks", options->import.check_chunks, "Chunks to embed here and compare; 0: none")
      ->capture_default_str();
  command->add_option("--min-cosine", options->import.min_cosine, "That a compared chunk must have with its row")
      ->capture_default_str();
  command
      ->add_option("--memory", options->memory_mb,
                   "MiB that a stage may hold besides the encoder and, at the end, the index itself")
      ->check(CLI::Range(64, 1 << 22))
      ->capture_default_str();
  command->callback([options, &globals] { Import(*options, globals); });
}

}  // namespace

void AddIndexTransfer(CLI::App& index, const GlobalOptions& globals) {
  AddDiff(index, globals);
  AddExport(index, globals);
  AddImport(index, globals);
}

}  // namespace retro::cli
