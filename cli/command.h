// What the subcommands share: global options, the table's entry type, and small things around stdout and files.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/thread_pool.h"

namespace retro::cli {

// Accepted before and after the subcommand's name.
struct GlobalOptions {
  bool json = false;
  bool quiet = false;
  size_t num_threads = 0;  // 0: every core that this process may use
  std::string log_level = "info";
};

// A subcommand's file defines one of these: it adds the command with its options, and a callback that runs it.
// `globals` outlives the callback and is filled when that runs.
using AddCommand = void (*)(CLI::App& app, const GlobalOptions& globals);

void AddAsk(CLI::App& app, const GlobalOptions& globals);
void AddCorpus(CLI::App& app, const GlobalOptions& globals);
void AddEmbed(CLI::App& app, const GlobalOptions& globals);
void AddEval(CLI::App& app, const GlobalOptions& globals);
void AddExamples(CLI::App& app, const GlobalOptions& globals);
void AddGenerate(CLI::App& app, const GlobalOptions& globals);
void AddIndex(CLI::App& app, const GlobalOptions& globals);
void AddModel(CLI::App& app, const GlobalOptions& globals);
void AddNeighbours(CLI::App& app, const GlobalOptions& globals);
void AddScore(CLI::App& app, const GlobalOptions& globals);
void AddSearch(CLI::App& app, const GlobalOptions& globals);
void AddServe(CLI::App& app, const GlobalOptions& globals);
void AddTokenizer(CLI::App& app, const GlobalOptions& globals);
void AddTrain(CLI::App& app, const GlobalOptions& globals);

// One line of compact JSON on stdout.
void PrintJson(const nlohmann::json& json);

// The lines of a file, or of standard input for "-", without their ends (LF or CRLF).
std::vector<std::string> ReadLines(const std::filesystem::path& path);
// All of a file, or of standard input for "-".
std::string ReadInput(const std::filesystem::path& path);

// Token ids written as text, apart by blanks or commas. Throws Error(kInvalidArgument) naming what is no id.
std::vector<int32_t> ParseIds(const std::string& text);

// "12.3 MB"
std::string HumanBytes(uint64_t bytes);

// The known name nearest to `name`, when it is near enough for a typing error; else empty.
std::string NearestName(const std::string& name, const std::vector<std::string>& known);

}  // namespace retro::cli
