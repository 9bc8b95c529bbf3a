// The command line: the table of subcommands, and the one place where errors end up.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/command.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/progress.h"

namespace retro::cli {
namespace {

constexpr int kDone = 0, kFailed = 1, kMisuse = 2;

constexpr AddCommand kCommands[] = {AddCorpus,    AddIndex,    AddNeighbours, AddSearch, AddAsk,
                                    AddServe,     AddGenerate, AddScore,      AddEmbed,  AddModel,
                                    AddTokenizer, AddExamples, AddTrain,      AddEval};

void Say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

// "index build" of `retro index build`: the names of the subcommands that were given.
const CLI::App* DeepestParsed(const CLI::App& app, std::string& name) {
  const CLI::App* at = &app;
  name = app.get_name();
  for (auto subcommands = at->get_subcommands(); !subcommands.empty(); subcommands = at->get_subcommands()) {
    at = subcommands.front();
    name += " " + at->get_name();
  }
  return at;
}

std::vector<std::string> OptionNames(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

std::vector<std::string> SubcommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* subcommand : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(subcommand->get_name());
  }
  return names;
}

// Says which word was not understood and what it may have been meant to be.
int ReportUnknown(const CLI::App& app) {
  std::string name;
  const CLI::App* command = DeepestParsed(app, name);
  const std::vector<std::string> left = app.remaining(true);
  const std::string word = left.empty() ? "" : left.front().substr(0, left.front().find('='));
  const bool is_option = word.starts_with("-");
  const std::string nearest = NearestName(word, is_option ? OptionNames(command) : SubcommandNames(*command));
  Say(fmt::format("{}: unknown {} {}; {}", name, is_option ? "option" : "command or argument", word,
                  nearest.empty() ? "see " + name + " --help" : "did you mean " + nearest + "?"));
  return kMisuse;
}

int ReportMisuse(CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !app.remaining(true).empty())
    return ReportUnknown(app);
  std::string name;
  DeepestParsed(app, name);
  Say(fmt::format("{}: {}; see {} --help", name, error.what(), name));
  return kMisuse;
}

int ReportError(const CLI::App& app, const std::exception& error) {
  std::string name;
  DeepestParsed(app, name);
  Say(name + ": " + error.what());
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours != nullptr && ours->code() == ErrorCode::kInvalidArgument ? kMisuse : kFailed;
}

void AddGlobalOptions(CLI::App& app, GlobalOptions& globals) {
  app.add_flag("--json", globals.json, "Results as JSON, for programs");
  app.add_flag("-q,--quiet", globals.quiet, "No progress on stderr");
  app.add_option("--threads", globals.num_threads, "Threads; 0: every core that this process may use")
      ->capture_default_str();
  app.add_option("--log-level", globals.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.set_config("--config", "", "Options from a TOML file, a section for each command, e.g. [index.build]; flags win");
  app.allow_config_extras(CLI::config_extras_mode::error);
}

int Run(int argc, char** argv) {
  CLI::App app(
      "Retrieval-enhanced language models: build a retrieval database, search it, answer from it.\n"
      "A first look: scripts/quickstart. Help on a command: retro COMMAND --help.",
      "retro");
  app.set_version_flag("--version", RETRO_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(34);
  GlobalOptions globals;
  AddGlobalOptions(app, globals);
  for (const AddCommand add : kCommands) add(app, globals);
  app.parse_complete_callback([&globals] {
    InitLog(globals.log_level);
    Progress::SetEnabled(!globals.quiet);
    InstallInterruptHandler();
  });
  try {
    app.parse(argc, argv);
    std::cout.flush();
    if (!std::cout) Throw(ErrorCode::kIo, "cannot write to standard output");
    return kDone;
  } catch (const CLI::ParseError& error) {
    return ReportMisuse(app, error);
  } catch (const std::bad_alloc&) {
    return ReportError(app,
                       Error(ErrorCode::kUnavailable, "out of memory; give a smaller --memory or a smaller input"));
  } catch (const std::exception& error) {
    return ReportError(app, error);
  }
}

}  // namespace
}  // namespace retro::cli

int main(int argc, char** argv) { return retro::cli::Run(argc, argv); }
