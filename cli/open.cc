#include "cli/open.h"

#include <map>

#include "core/error.h"
#include "model/load_tokenizer.h"
#include "retriever/generation.h"

namespace retro::cli {
namespace {

// An option's own value, or the path that the database's manifest names for it.
std::string GivenOrRecorded(const std::string& given, const std::string& db, const char* recorded, const char* option) {
  if (!given.empty()) return given;
  const Manifest manifest = DatabaseGeneration::Load(db).manifest;
  const std::string path = manifest.counts.value("made_with", nlohmann::json::object()).value(recorded, "");
  if (path.empty() || !std::filesystem::exists(path)) {
    Throw(ErrorCode::kNotFound, "{} was built with {} '{}', which is not there; name it with {}", db, recorded, path,
          option);
  }
  return path;
}

}  // namespace

void AddDatabaseOptions(CLI::App& command, DatabaseOptions& options, bool required) {
  AddOpenOptions(command, options, required);
  command.add_option("--k", options.search.k, "Passages to retrieve")->capture_default_str();
  const std::map<std::string, LexicalMode> modes = {
      {"off", LexicalMode::kOff}, {"only", LexicalMode::kOnly}, {"fuse", LexicalMode::kFuse}};
  command
      .add_option_function<std::string>(
          "--lexical", [&options, modes](const std::string& name) { options.search.lexical = modes.at(name); },
          "Rank by words (BM25): off, only, fuse (with the ranking by embeddings); the database needs a lexical index "
          "(retro index lexical); default: off")
      ->check(CLI::IsMember(std::vector<std::string>{"off", "only", "fuse"}));
}

void AddFilterOptions(CLI::App& command, DocumentFilter& filter) {
  const CLI::Validator is_date(
      [](const std::string& text) { return IsDate(text) ? "" : "must be a date, as 2024, 2024-05 or 2024-05-17"; },
      "DATE");
  command.add_option("--source", filter.sources, "Only passages of documents of these sources")
      ->allow_extra_args(false);
  command.add_option("--licence", filter.licences, "Only passages of documents of these licences")
      ->allow_extra_args(false);
  command.add_option("--from", filter.date_from, "Only passages of documents of this date (2024, 2024-05-17) or later")
      ->check(is_date);
  command.add_option("--to", filter.date_to, "Only passages of documents of this date or earlier")->check(is_date);
}

void AddFolderOptions(CLI::App& command, DatabaseOptions& options, bool required) {
  command.add_option("--db", options.db, "The retrieval database")->required(required);
  command
      .add_option("--encoder", options.encoder,
                  "Folder of the encoder; default: the one that the database was built with")
      ->envname("RETRO_ENCODER");
  command.add_option("--tokenizer", options.tokenizer,
                     "Tokenizer of the chunks; default: the one that it was built with");
}

void AddPrecisionOption(CLI::App& command, std::optional<EncoderPrecision>& precision, const std::string& help) {
  command
      .add_option_function<std::string>(
          "--embed-precision", [&precision](const std::string& name) { precision = ParseEncoderPrecision(name); }, help)
      ->check(CLI::IsMember(std::vector<std::string>{"fp32", "int8"}));
}

void AddOpenOptions(CLI::App& command, DatabaseOptions& options, bool required) {
  AddFolderOptions(command, options, required);
  AddPrecisionOption(command, options.precision,
                     "Embed what is searched for in fp32 or int8, which may be compared; default: as the chunks were");
  command.add_option("--nprobe", options.search.nprobe, "Lists of the index to visit; 0: as chosen when it was built")
      ->capture_default_str();
  command
      .add_option("--rerank-factor", options.search.rerank_factor,
                  "Candidates for each passage wanted, ordered by exact distance; 0: as chosen when it was built")
      ->capture_default_str();
  command.add_flag("--quick", options.quick, "Check the database's file sizes only, not the checksums");
}

std::shared_ptr<const Embedder> OpenEmbedder(const DatabaseOptions& options) {
  if (options.db.empty()) Throw(ErrorCode::kInvalidArgument, "retrieval needs a database: name it with --db");
  const EncoderPrecision precision = options.precision ? *options.precision : RecordedPrecision(options.db);
  return std::make_shared<Embedder>(GivenOrRecorded(options.encoder, options.db, "encoder", "--encoder"), precision);
}

EncoderPrecision RecordedPrecision(const std::string& folder) {
  return EmbeddedIn(DatabaseGeneration::Load(folder).manifest);
}

std::shared_ptr<const Tokenizer> OpenTokenizer(const DatabaseOptions& options) {
  return LoadTokenizer(GivenOrRecorded(options.tokenizer, options.db, "tokenizer", "--tokenizer"));
}

std::unique_ptr<RetrievalDatabase> OpenDatabase(const DatabaseOptions& options,
                                                std::shared_ptr<const Embedder> embedder) {
  return std::make_unique<RetrievalDatabase>(
      options.db, std::move(embedder), OpenTokenizer(options),
      options.quick ? RetrievalDatabase::Verify::kSizes : RetrievalDatabase::Verify::kChecksums);
}

void AddModelOption(CLI::App& command, std::string& model, bool& int8, std::string& adapter) {
  command.add_option("--model", model, "The decoder: a folder in Hugging Face layout or a .gguf file")
      ->required()
      ->envname("RETRO_MODEL");
  command.add_flag("--int8", int8,
                   "Hold 16- and 32-bit weights in 8 bits: half the memory or less, quicker, less exact");
  command
      .add_option("--adapter", adapter,
                  "A LoRA adapter of that model: a folder as retro train or the peft library saves")
      ->envname("RETRO_ADAPTER");
}

LanguageModel OpenLanguageModel(const std::string& path, bool int8, ThreadPool& pool, const std::string& adapter) {
  LanguageModel model;
  model.tokenizer = LoadTokenizer(path);
  model.decoder = LoadDecoder(path, pool, int8 ? WeightPrecision::kInt8 : WeightPrecision::kAsStored, adapter);
  return model;
}

}  // namespace retro::cli
