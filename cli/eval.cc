// retro eval: measurements on held-out sets.
#include "cli/eval.h"

namespace retro::cli {

void AddEval(CLI::App& app, const GlobalOptions& globals) {
  auto* eval = app.add_subcommand("eval", "Measure on held-out sets")->require_subcommand(1);
  AddEvalLm(*eval, globals);
  AddEvalQa(*eval, globals);
  AddEvalReport(*eval, globals);
}

}  // namespace retro::cli
