// The subcommands of `retro index` that have a file of their own.
#pragma once

#include "cli/command.h"

namespace retro::cli {

// add, remove, compact
void AddIndexChanges(CLI::App& index, const GlobalOptions& globals);
// diff, export, import
void AddIndexTransfer(CLI::App& index, const GlobalOptions& globals);

// As a manifest keeps a path that was given.
std::string AbsolutePath(const std::string& path);

}  // namespace retro::cli
