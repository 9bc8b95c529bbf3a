// retro search: the passages of a database nearest to a text.
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"
#include "cli/passages.h"
#include "core/error.h"

namespace retro::cli {
namespace {

struct SearchCommandOptions {
  DatabaseOptions database;
  std::vector<std::string> texts;
  std::string file;
  bool with_continuation = false;
};

void Search(const SearchCommandOptions& options, const GlobalOptions& globals) {
  std::vector<std::string> texts = options.texts;
  if (!options.file.empty()) {
    for (std::string& line : ReadLines(options.file)) texts.push_back(std::move(line));
  }
  if (texts.empty()) Throw(ErrorCode::kInvalidArgument, "give a text to search for, or a file of them with --file");
  ThreadPool pool(globals.num_threads);
  const auto database = OpenDatabase(options.database, OpenEmbedder(options.database));
  for (const std::string& text : texts) {
    const std::vector<Passage> passages =
        database->SearchPassages(text, options.database.search, options.with_continuation, pool);
    if (globals.json) {
      nlohmann::json found = nlohmann::json::array();
      for (const Passage& passage : passages) found.push_back(PassageToJson(passage));
      PrintJson({{"query", text}, {"passages", found}});
      continue;
    }
    if (texts.size() > 1) std::cout << "# " << text << '\n';
    for (size_t i = 0; i < passages.size(); ++i) PrintPassage(i + 1, passages[i]);
  }
}

}  // namespace

void AddSearch(CLI::App& app, const GlobalOptions& globals) {
  auto* search = app.add_subcommand("search", "The passages of a database nearest to a text");
  auto options = std::make_shared<SearchCommandOptions>();
  search->add_option("text", options->texts, "What to search for; several texts are several searches");
  search->add_option("--file", options->file, "One search for each line of a file; - for stdin");
  search->add_flag("--continuation", options->with_continuation, "Show each passage with the chunk that follows it");
  AddDatabaseOptions(*search, options->database);
  AddFilterOptions(*search, options->database.search.filter);
  search->callback([options, &globals] { Search(*options, globals); });
}

}  // namespace retro::cli
