#include "cli/sampling.h"

namespace retro::cli {

void AddSamplingOptions(CLI::App& command, SamplingOptions& options) {
  command.add_option("--temperature", options.temperature, "0: always the most probable token")->capture_default_str();
  command.add_option("--top-k", options.top_k, "Choose among the k most probable tokens; 0: all")
      ->capture_default_str();
  command.add_option("--top-p", options.top_p, "Choose among the fewest tokens of this probability together")
      ->capture_default_str();
  command.add_option("--min-p", options.min_p, "Leave out tokens below this share of the best one's probability")
      ->capture_default_str();
  command.add_option("--repetition-penalty", options.repetition_penalty, "Above 1: recent tokens become less probable")
      ->capture_default_str();
  command
      .add_option("--repetition-window", options.repetition_window, "How many of the last tokens are recent; -1: all")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of the random choices")->capture_default_str();
}

}  // namespace retro::cli
