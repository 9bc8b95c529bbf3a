// The subcommands of `retro index` that have a file of their own.
#pragma once

#include "cli/command.h"

namespace retro {
struct IndexOptions;
}

namespace retro::cli {

// add, remove, compact, lexical
void AddIndexChanges(CLI::App& index, const GlobalOptions& globals);
// diff, export, import
void AddIndexTransfer(CLI::App& index, const GlobalOptions& globals);

// plan
void AddIndexPlan(CLI::App& index, const GlobalOptions& globals);
// tune
void AddIndexTune(CLI::App& index, const GlobalOptions& globals);

// --keep-embeddings, --keep-embeddings half|int8
CLI::Option* AddKeepOption(CLI::App& command, IndexOptions& options);

// As a manifest keeps a path that was given.
std::string AbsolutePath(const std::string& path);

}  // namespace retro::cli
