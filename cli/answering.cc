#include "cli/answering.h"

#include "cli/sampling.h"

namespace retro::cli {

void AddAnsweringOptions(CLI::App& command, AnsweringOptions& options) {
  options.database.search.k = options.answer.k;
  AddDatabaseOptions(command, options.database);
  AddModelOption(command, options.model, options.int8);
  command.add_flag("--no-retrieval", options.no_retrieval, "Answer from the decoder's own memory, without sources");
  command
      .add_option("--threshold", options.answer.threshold,
                  "Cosine of question and best passage below which there is no answer in the database; -1: never")
      ->capture_default_str();
  command.add_option("--max-new-tokens", options.answer.max_new_tokens, "Most tokens of the answer")
      ->capture_default_str();
  AddSamplingOptions(command, options.answer.sampling);
}

std::unique_ptr<Answerer> OpenAnswerer(AnsweringOptions& options, ThreadPool& pool) {
  options.answer.retrieval = !options.no_retrieval;
  options.answer.k = options.database.search.k;
  options.answer.nprobe = options.database.search.nprobe;
  std::shared_ptr<const RetrievalDatabase> database;
  std::shared_ptr<const Embedder> embedder;
  if (options.answer.retrieval) {
    embedder = OpenEmbedder(options.database);
    database = OpenDatabase(options.database, embedder);
  }
  LanguageModel model = OpenLanguageModel(options.model, options.int8, pool);
  return std::make_unique<Answerer>(std::move(database), std::move(embedder), std::move(model.decoder),
                                    std::move(model.tokenizer),
                                    std::make_shared<ChatTemplate>(ChatTemplate::Load(options.model)));
}

}  // namespace retro::cli
