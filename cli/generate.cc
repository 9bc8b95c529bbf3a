// retro generate: a decoder continues prompts, or answers as a chat model.
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"
#include "cli/sampling.h"
#include "core/error.h"
#include "model/chat_template.h"
#include "model/generator.h"

namespace retro::cli {
namespace {

struct Options {
  std::string model, prompt, file, system;
  bool int8 = false, chat = false;
  GenerationOptions generation;
};

std::vector<std::string> GivenPrompts(const Options& options) {
  if (options.prompt.empty() == options.file.empty()) {
    Throw(ErrorCode::kInvalidArgument, "give a prompt as an argument, or a file with one on each line with --file");
  }
  return options.file.empty() ? std::vector<std::string>{options.prompt} : ReadLines(options.file);
}

std::vector<TokenId> PromptTokens(const Options& options, const std::string& prompt, const Tokenizer& tokenizer) {
  if (!options.chat) return tokenizer.Encode(prompt, EncodeOptions{.add_special = true});
  std::vector<ChatMessage> messages;
  if (!options.system.empty()) messages.push_back({"system", options.system});
  messages.push_back({"user", prompt});
  return ChatTemplate::Load(options.model).Render(messages, true, tokenizer);
}

nlohmann::json ToJson(const std::string& prompt, const Generation& generation) {
  nlohmann::json json = {{"prompt", prompt},
                         {"text", generation.text},
                         {"tokens", generation.tokens},
                         {"finish_reason", FinishReasonName(generation.finish_reason)},
                         {"prompt_tokens", generation.prompt_tokens}};
  if (!generation.log_probs.empty()) json["log_probs"] = generation.log_probs;
  return json;
}

void Generate(Options options, const GlobalOptions& globals) {
  ThreadPool pool(globals.num_threads);
  const std::vector<std::string> texts = GivenPrompts(options);
  const LanguageModel model = OpenLanguageModel(options.model, options.int8, pool);
  options.generation.stop_tokens = StopTokens(*model.tokenizer);
  std::vector<std::vector<TokenId>> prompts;
  for (const std::string& text : texts) prompts.push_back(PromptTokens(options, text, *model.tokenizer));
  const bool stream = texts.size() == 1 && !globals.json;
  const auto print = [&](const GenerationStep& step) {
    if (stream) std::cout << step.text << std::flush;
    return true;
  };
  const std::vector<Generation> generations =
      Generate(*model.decoder, *model.tokenizer, prompts, options.generation, pool, print);
  if (stream) std::cout << '\n';
  for (size_t i = 0; i < generations.size() && !stream; ++i) {
    if (globals.json)
      PrintJson(ToJson(texts[i], generations[i]));
    else
      std::cout << fmt::format("# {}\n{}\n", texts[i], generations[i].text);
  }
}

}  // namespace

void AddGenerate(CLI::App& app, const GlobalOptions& globals) {
  auto* generate = app.add_subcommand("generate", "Continue a text with a decoder");
  auto options = std::make_shared<Options>();
  AddModelOption(*generate, options->model, options->int8);
  generate->add_option("prompt", options->prompt, "The text to continue, or with --chat the user's message");
  generate->add_option("--file", options->file, "One prompt on each line of a file, as one batch; - for stdin");
  generate->add_flag("--chat", options->chat, "Write the prompt with the model's chat template");
  generate->add_option("--system", options->system, "With --chat: the system message");
  generate->add_option("--max-new-tokens", options->generation.max_new_tokens, "Most tokens to generate")
      ->capture_default_str();
  generate->add_option("--stop", options->generation.stop_strings, "Text that ends the generation; may be given again");
  generate->add_flag("--log-probs", options->generation.log_probs, "With --json: log-probability of each token");
  AddSamplingOptions(*generate, options->generation.sampling);
  generate->callback([options, &globals] { Generate(*options, globals); });
}

}  // namespace retro::cli
