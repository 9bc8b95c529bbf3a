// The subcommands of `retro eval`, a file each.
#pragma once

#include "cli/command.h"

namespace retro::cli {

void AddEvalLm(CLI::App& eval, const GlobalOptions& globals);
void AddEvalQa(CLI::App& eval, const GlobalOptions& globals);
void AddEvalReport(CLI::App& eval, const GlobalOptions& globals);

}  // namespace retro::cli
