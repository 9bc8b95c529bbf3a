// retro generate: a decoder continues prompts, or answers as a chat model.
#include <iostream>

#include "cli/command.h"
#include "cli/open.h"
#include "cli/passages.h"
#include "cli/retrieval.h"
#include "cli/sampling.h"
#include "core/error.h"
#include "model/chat_template.h"
#include "model/generator.h"

namespace retro::cli {
namespace {

struct GenerateOptions {
  std::string model, adapter, prompt, file, system;
  bool int8 = false, chat = false;
  GenerationOptions generation;
  DatabaseOptions database;
  std::optional<RetrievalMode> retrieval;

  RetrievalMode mode() const { return retrieval.value_or(RetrievalMode::kOff); }
};

// Passages for the prompts of a run, and neighbours while it generates.
struct Retrieval {
  std::shared_ptr<const RetrievalDatabase> database;
  std::optional<NeighbourRetriever> neighbours;
  std::vector<std::vector<Passage>> passages;  // of each prompt
};

std::vector<std::string> GivenPrompts(const GenerateOptions& options) {
  if (options.prompt.empty() == options.file.empty()) {
    Throw(ErrorCode::kInvalidArgument, "give a prompt as an argument, or a file with one on each line with --file");
  }
  return options.file.empty() ? std::vector<std::string>{options.prompt} : ReadLines(options.file);
}

std::vector<TokenId> PromptTokens(const GenerateOptions& options, const std::string& prompt,
                                  const Tokenizer& tokenizer) {
  if (!options.chat) return tokenizer.Encode(prompt, EncodeOptions{.add_special = true});
  std::vector<ChatMessage> messages;
  if (!options.system.empty()) messages.push_back({"system", options.system});
  messages.push_back({"user", prompt});
  return ChatTemplate::Load(options.model).Render(messages, true, tokenizer);
}

Retrieval OpenRetrieval(const GenerateOptions& options, const LanguageModel& model, ThreadPool& pool) {
  Retrieval retrieval;
  if (options.mode() == RetrievalMode::kOff) return retrieval;
  if (UsesCrossAttention(options.mode())) CheckTakesNeighbours(*model.decoder);
  retrieval.database = OpenDatabase(options.database, OpenEmbedder(options.database));
  if (UsesCrossAttention(options.mode())) {
    retrieval.neighbours.emplace(retrieval.database, *model.decoder->config().retro, *model.tokenizer,
                                 options.database.search, pool);
  }
  return retrieval;
}

// The prompt behind what was found for it, apart by blank lines, as in Ram et al. 2023 (arXiv 2302.00083).
std::string WithPassages(const GenerateOptions& options, const std::string& prompt, Retrieval& retrieval,
                         ThreadPool& pool) {
  retrieval.passages.emplace_back();
  if (options.mode() != RetrievalMode::kPrompt && options.mode() != RetrievalMode::kBoth) return prompt;
  SearchOptions search = options.database.search;
  if (options.mode() == RetrievalMode::kBoth) search.k = 1;
  std::vector<Passage>& passages = retrieval.passages.back();
  passages = retrieval.database->SearchPassages(prompt, search, true, pool);
  if (retrieval.neighbours) retrieval.neighbours->Exclude(retrieval.passages.size() - 1, passages);
  std::string text;
  for (const Passage& passage : passages) text += passage.text + "\n\n";
  return text + prompt;
}

nlohmann::json RetrievalToJson(const Retrieval& retrieval, size_t sequence) {
  nlohmann::json passages = nlohmann::json::array();
  for (const Passage& passage : retrieval.passages[sequence]) passages.push_back(PassageToJson(passage));
  nlohmann::json json = {{"passages", std::move(passages)}};
  if (retrieval.neighbours) json["chunks"] = ChunksToJson(retrieval.neighbours->retrieved(), sequence);
  return json;
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

void Generate(GenerateOptions options, const GlobalOptions& globals) {
  ThreadPool pool(globals.num_threads);
  const std::vector<std::string> texts = GivenPrompts(options);
  const LanguageModel model = OpenLanguageModel(options.model, options.int8, pool, options.adapter);
  options.generation.stop_tokens = StopTokens(*model.tokenizer);
  std::vector<std::vector<TokenId>> prompts;
  Retrieval retrieval = OpenRetrieval(options, model, pool);
  for (const std::string& text : texts) {
    prompts.push_back(PromptTokens(options, WithPassages(options, text, retrieval, pool), *model.tokenizer));
  }
  if (retrieval.neighbours) options.generation.retrieve = retrieval.neighbours->Function();
  const bool stream = texts.size() == 1 && !globals.json;
  const auto print = [&](const GenerationStep& step) {
    if (stream) std::cout << step.text << std::flush;
    return true;
  };
  const std::vector<Generation> generations =
      Generate(*model.decoder, *model.tokenizer, prompts, options.generation, pool, print);
  if (stream) std::cout << '\n';
  for (size_t i = 0; i < generations.size() && !stream; ++i) {
    if (!globals.json) {
      std::cout << fmt::format("# {}\n{}\n", texts[i], generations[i].text);
      continue;
    }
    nlohmann::json json = ToJson(texts[i], generations[i]);
    if (retrieval.database) json.update(RetrievalToJson(retrieval, i));
    PrintJson(json);
  }
}

}  // namespace

void AddGenerate(CLI::App& app, const GlobalOptions& globals) {
  auto* generate = app.add_subcommand("generate", "Continue a text with a decoder");
  auto options = std::make_shared<GenerateOptions>();
  AddModelOption(*generate, options->model, options->int8, options->adapter);
  generate->add_option("prompt", options->prompt, "The text to continue, or with --chat the user's message");
  generate->add_option("--file", options->file, "One prompt on each line of a file, as one batch; - for stdin");
  generate->add_flag("--chat", options->chat, "Write the prompt with the model's chat template");
  generate->add_option("--system", options->system, "With --chat: the system message");
  generate->add_option("--max-new-tokens", options->generation.max_new_tokens, "Most tokens to generate")
      ->capture_default_str();
  generate->add_option("--stop", options->generation.stop_strings, "Text that ends the generation; may be given again");
  generate->add_flag("--log-probs", options->generation.log_probs, "With --json: log-probability of each token");
  AddRetrievalOptions(*generate, options->retrieval, options->generation.retrieval_step, "off");
  options->database.search.k = 2;
  AddDatabaseOptions(*generate, options->database, false);
  AddSamplingOptions(*generate, options->generation.sampling);
  generate->callback([options, &globals] { Generate(*options, globals); });
}

}  // namespace retro::cli
