#include "cli/answering.h"

#include "cli/retrieval.h"
#include "cli/sampling.h"

namespace retro::cli {

void AddAnsweringOptions(CLI::App& command, AnsweringOptions& options) {
  options.database.search.k = options.answer.search.k;
  AddDatabaseOptions(command, options.database);
  AddModelOption(command, options.model, options.int8, options.adapter);
  AddRetrievalOptions(command, options.retrieval, options.answer.retrieval_step, "both for a RETRO model, else prompt");
  command
      .add_option("--threshold", options.answer.threshold,
                  "Cosine of question and best passage below which there is no answer in the database; -1: never")
      ->capture_default_str();
  command.add_option("--max-new-tokens", options.answer.max_new_tokens, "Most tokens of the answer")
      ->capture_default_str();
  AddSamplingOptions(command, options.answer.sampling);
}

AnswerOptions CompleteAnswerOptions(const AnsweringOptions& options, const Decoder& decoder) {
  AnswerOptions answer = options.answer;
  const auto suitable = decoder.config().retro ? RetrievalMode::kBoth : RetrievalMode::kPrompt;
  answer.retrieval = options.retrieval.value_or(suitable);
  answer.search = options.database.search;
  answer.prompt_form = options.adapter.empty() ? PromptForm::kWorkedExamples : PromptForm::kPlain;
  return answer;
}

std::unique_ptr<Answerer> OpenAnswerer(AnsweringOptions& options, ThreadPool& pool) {
  LanguageModel model = OpenLanguageModel(options.model, options.int8, pool, options.adapter);
  options.answer = CompleteAnswerOptions(options, *model.decoder);
  if (UsesCrossAttention(options.answer.retrieval)) CheckTakesNeighbours(*model.decoder);
  std::shared_ptr<const RetrievalDatabase> database;
  std::shared_ptr<const Embedder> embedder;
  if (options.answer.retrieval != RetrievalMode::kOff) {
    embedder = OpenEmbedder(options.database);
    database = OpenDatabase(options.database, embedder);
  }
  auto chat = std::make_shared<ChatTemplate>(ChatTemplate::Load(options.model));
  chat->CheckMarks(*model.tokenizer);
  return std::make_unique<Answerer>(std::move(database), std::move(embedder), std::move(model.decoder),
                                    std::move(model.tokenizer), std::move(chat));
}

}  // namespace retro::cli
