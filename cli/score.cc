// retro score: the log-probability of every token of a text.
#include "model/score.h"

#include <cmath>
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"
#include "core/error.h"

namespace retro::cli {
namespace {

struct ScoreCommandOptions {
  std::string model, adapter, text, file, ids;
  bool int8 = false, add_special = false;
  ScoreOptions score;
};

std::vector<TokenId> GivenTokens(const ScoreCommandOptions& options, const Tokenizer& tokenizer) {
  const int given = !options.text.empty() + !options.file.empty() + !options.ids.empty();
  if (given != 1) Throw(ErrorCode::kInvalidArgument, "give one of: a text as an argument, --file or --ids");
  if (!options.ids.empty()) return ParseIds(options.ids == "-" ? ReadInput("-") : options.ids);
  return tokenizer.Encode(options.file.empty() ? options.text : ReadInput(options.file),
                          EncodeOptions{.add_special = options.add_special});
}

nlohmann::json ToJson(const std::vector<TokenId>& tokens, const TokenScores& scores, const Tokenizer& tokenizer) {
  nlohmann::json log_probs = nlohmann::json::array(), spellings = nlohmann::json::array();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const float value = scores.log_probs[i];
    log_probs.push_back(std::isnan(value) ? nlohmann::json() : nlohmann::json(value));
    spellings.push_back(tokenizer.Spelling(tokens[i]));
  }
  return {{"ids", tokens},          {"tokens", spellings},
          {"log_probs", log_probs}, {"is_greedy", scores.is_greedy},
          {"sum", scores.Sum()},    {"windows", scores.num_windows}};
}

void Score(const ScoreCommandOptions& options, const GlobalOptions& globals) {
  ThreadPool pool(globals.num_threads);
  const LanguageModel model = OpenLanguageModel(options.model, options.int8, pool, options.adapter);
  const std::vector<TokenId> tokens = GivenTokens(options, *model.tokenizer);
  const TokenScores scores = ScoreTokens(*model.decoder, tokens, options.score, pool);
  if (globals.json) return PrintJson(ToJson(tokens, scores, *model.tokenizer));
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::cout << fmt::format("{:>10}  {:>7}  {}\n", i == 0 ? "-" : fmt::format("{:.4f}", scores.log_probs[i]),
                             tokens[i], model.tokenizer->Spelling(tokens[i]));
  }
  std::cout << fmt::format("{} tokens, sum {:.4f}, perplexity {:.3f}\n", tokens.size(), scores.Sum(),
                           scores.Perplexity());
}

}  // namespace

void AddScore(CLI::App& app, const GlobalOptions& globals) {
  auto* score = app.add_subcommand("score", "The log-probability of every token of a text");
  auto options = std::make_shared<ScoreCommandOptions>();
  AddModelOption(*score, options->model, options->int8, options->adapter);
  score->add_option("text", options->text, "The text");
  score->add_option("--file", options->file, "The text of a file; - for stdin");
  score->add_option("--ids", options->ids, "Token ids instead of a text, apart by blanks or commas; - for stdin");
  score->add_flag("--add-special", options->add_special, "Begin with the tokens that the tokenizer's template adds");
  score->add_option("--window", options->score.window_len, "Tokens that the decoder sees at once; 0: its context")
      ->capture_default_str();
  score
      ->add_option("--min-context", options->score.min_context,
                   "Tokens before each token that it is seen with at least, in longer texts; 0: half the window")
      ->capture_default_str();
  score->callback([options, &globals] { Score(*options, globals); });
}

}  // namespace retro::cli
