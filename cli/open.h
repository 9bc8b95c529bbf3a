// Opening what several commands need: the encoder, the decoder with its tokenizer and template, a database.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "model/decoder.h"
#include "retriever/retrieval_database.h"

namespace retro::cli {

// --db, --encoder and --tokenizer of the commands that read a database.
struct DatabaseOptions {
  std::string db, encoder, tokenizer;
  std::optional<EncoderPrecision> precision;  // that texts are embedded in; not set: as the chunks were
  bool quick = false;
  SearchOptions search{.k = 5};
};
void AddDatabaseOptions(CLI::App& command, DatabaseOptions& options, bool required = true);
// The same without --k, for commands that retrieve no passages.
void AddOpenOptions(CLI::App& command, DatabaseOptions& options, bool required = true);
// Which documents a search may find: --source, --licence, --from, --to.
void AddFilterOptions(CLI::App& command, DocumentFilter& filter);
// --db, --encoder and --tokenizer alone, for commands that change a database.
void AddFolderOptions(CLI::App& command, DatabaseOptions& options, bool required = true);

// --embed-precision fp32|int8, without a default of its own; `help` says what is embedded.
void AddPrecisionOption(CLI::App& command, std::optional<EncoderPrecision>& precision, const std::string& help);

// The encoder of the options, or else the one that the database was built with (its manifest names the path).
std::shared_ptr<const Embedder> OpenEmbedder(const DatabaseOptions& options);
// What the chunks of the database in `folder` were embedded in.
EncoderPrecision RecordedPrecision(const std::string& folder);

// The tokenizer of the options, or else the one that the database was built with.
std::shared_ptr<const Tokenizer> OpenTokenizer(const DatabaseOptions& options);

// Opens a database with `embedder` and the tokenizer of the options, or else the one that it was built with. Verifies
// every checksum unless `quick`.
std::unique_ptr<RetrievalDatabase> OpenDatabase(const DatabaseOptions& options,
                                                std::shared_ptr<const Embedder> embedder);

struct LanguageModel {
  std::unique_ptr<Decoder> decoder;
  std::shared_ptr<const Tokenizer> tokenizer;
};
// `adapter`: the folder of a LoRA adapter of the model; empty: none.
LanguageModel OpenLanguageModel(const std::string& path, bool int8, ThreadPool& pool, const std::string& adapter = "");
void AddModelOption(CLI::App& command, std::string& model, bool& int8, std::string& adapter);

}  // namespace retro::cli
