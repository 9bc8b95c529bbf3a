// retro index add|remove|compact|lexical: a database changed without building it again.
#include <iostream>

#include "cli/index.h"
#include "cli/open.h"
#include "core/error.h"
#include "index-builder/database_updater.h"
#include "index-builder/lexical_builder.h"

namespace retro::cli {
namespace {

struct ChangeOptions {
  DatabaseOptions database;
  std::vector<std::string> inputs;
  DocumentSelection selection;
  uint64_t memory_mb = 1024;
  bool stop_on_bad_input = false;

  UpdateOptions update() const {
    UpdateOptions options{.memory_bytes = memory_mb << 20};
    if (stop_on_bad_input) options.reader.on_bad_input = BadInput::kStop;
    return options;
  }
};

void Report(const std::string& folder, const UpdateReport& report, const std::string& what,
            const GlobalOptions& globals) {
  if (globals.json) return PrintJson(report.ToJson());
  std::cout << fmt::format("{}: {}; generation {} has {} documents, {} chunks, {} parts\n", folder, what,
                           report.generation, report.documents, report.chunks, report.parts);
  if (report.parts_still_read == 0) return;
  std::cout << fmt::format("{} older parts stay on disk for those who read them\n", report.parts_still_read);
}

void Add(const ChangeOptions& options, const GlobalOptions& globals) {
  const auto tokenizer = OpenTokenizer(options.database);
  const auto embedder = OpenEmbedder(options.database);
  ThreadPool pool(globals.num_threads);
  const UpdateReport report = AddDocuments(options.database.db, {options.inputs.begin(), options.inputs.end()},
                                           *tokenizer, *embedder, options.update(), pool);
  Report(options.database.db, report,
         fmt::format("{} documents added ({} chunks), {} of them new versions", report.added_documents,
                     report.added_chunks, report.replaced_documents),
         globals);
}

void Remove(ChangeOptions options, const GlobalOptions& globals) {
  for (std::string& line : options.inputs.empty() ? std::vector<std::string>() : ReadLines(options.inputs.front())) {
    options.selection.ids.push_back(std::move(line));
  }
  if (options.selection.ids.empty() && options.selection.sources.empty()) {
    Throw(ErrorCode::kInvalidArgument, "name what to remove with --id, --id-file or --source");
  }
  const UpdateReport report = RemoveDocuments(options.database.db, options.selection, options.update());
  Report(options.database.db, report, fmt::format("{} documents removed", report.removed_documents), globals);
}

void Compact(const ChangeOptions& options, const GlobalOptions& globals) {
  const auto tokenizer = OpenTokenizer(options.database);
  const auto embedder = OpenEmbedder(options.database);
  ThreadPool pool(globals.num_threads);
  const UpdateReport report = CompactDatabase(options.database.db, *tokenizer, *embedder, options.update(), pool);
  Report(options.database.db, report, report.changed ? "merged into one part" : "is one part already, nothing to do",
         globals);
}

void Lexical(const ChangeOptions& options, const GlobalOptions& globals) {
  const auto tokenizer = OpenTokenizer(options.database);
  ThreadPool pool(globals.num_threads);
  const UpdateReport report = AddLexicalIndex(options.database.db, *tokenizer, options.update(), pool);
  Report(options.database.db, report,
         report.changed ? "lexical index made" : "has a lexical index already, nothing to do", globals);
}

void AddMemoryOption(CLI::App& command, ChangeOptions& options) {
  command.add_option("--memory", options.memory_mb, "MiB that a stage may hold besides the index itself")
      ->check(CLI::Range(64, 1 << 22))
      ->capture_default_str();
}

void AddAdd(CLI::App& index, const GlobalOptions& globals) {
  auto* add =
      index.add_subcommand("add",
                           "Add documents to a database; one whose id it has already takes the place of that one. "
                           "Killed, the same command goes on where it was");
  auto options = std::make_shared<ChangeOptions>();
  AddFolderOptions(*add, options->database);
  add->add_option("--input", options->inputs,
                  "Documents with ids (JSON lines or text, plain, .gz or .zst; folders of these; - for stdin) or one "
                  "folder made by retro corpus build")
      ->required();
  AddMemoryOption(*add, *options);
  add->add_flag("--stop-on-bad-input", options->stop_on_bad_input, "End at the first bad line instead of counting it");
  add->callback([options, &globals] { Add(*options, globals); });
}

void AddRemove(CLI::App& index, const GlobalOptions& globals) {
  auto* remove = index.add_subcommand(
      "remove", "Remove documents: no search finds them any more; retro index compact takes them off the disk");
  auto options = std::make_shared<ChangeOptions>();
  remove->add_option("--db", options->database.db, "The retrieval database")->required();
  remove->add_option("--id", options->selection.ids, "Ids of documents to remove");
  remove->add_option("--id-file", options->inputs, "A file with an id a line; - for stdin")->expected(1);
  remove->add_option("--source", options->selection.sources, "Remove every document of these sources");
  remove->callback([options, &globals] { Remove(*options, globals); });
}

void AddCompact(CLI::App& index, const GlobalOptions& globals) {
  auto* compact = index.add_subcommand(
      "compact",
      "Merge what additions and removals left of a database into one part, without embedding it again, and remove the "
      "old files; chunks are numbered anew");
  auto options = std::make_shared<ChangeOptions>();
  AddFolderOptions(*compact, options->database);
  AddMemoryOption(*compact, *options);
  compact->callback([options, &globals] { Compact(*options, globals); });
}

void AddLexical(CLI::App& index, const GlobalOptions& globals) {
  auto* lexical = index.add_subcommand(
      "lexical",
      "Give a database a lexical index of its chunks' words (BM25), for --lexical of retro search, ask, serve and eval "
      "qa; what is added later has one too");
  auto options = std::make_shared<ChangeOptions>();
  lexical->add_option("--db", options->database.db, "The retrieval database")->required();
  lexical->add_option("--tokenizer", options->database.tokenizer,
                      "Tokenizer of the chunks; default: the one that it was built with");
  AddMemoryOption(*lexical, *options);
  lexical->callback([options, &globals] { Lexical(*options, globals); });
}

}  // namespace

void AddIndexChanges(CLI::App& index, const GlobalOptions& globals) {
  AddAdd(index, globals);
  AddRemove(index, globals);
  AddCompact(index, globals);
  AddLexical(index, globals);
}

}  // namespace retro::cli
