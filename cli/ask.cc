// retro ask: a question, answered from the passages of a database, with its sources.
#include <iostream>

#include "cli/answering.h"
#include "cli/command.h"
#include "cli/passages.h"
#include "cli/retrieval.h"
#include "cli/sampling.h"

namespace retro::cli {
namespace {

struct AskOptions {
  AnsweringOptions answering;
  std::string question;
};

nlohmann::json ToJson(const std::string& question, const Answer& answer) {
  nlohmann::json sources = nlohmann::json::array(), citations = nlohmann::json::array();
  for (const Source& source : answer.sources) {
    nlohmann::json json = PassageToJson(source.passage);
    json.update({{"number", source.number},
                 {"cited", source.cited},
                 {"sentence", source.sentence},
                 {"similarity", source.similarity},
                 {"support", source.support}});
    sources.push_back(std::move(json));
  }
  for (const Citation& citation : answer.citations) {
    citations.push_back({{"begin", citation.begin}, {"end", citation.end}, {"sources", citation.sources}});
  }
  return {{"question", question},
          {"answer", answer.text},
          {"plain_answer", answer.plain_text},
          {"found", answer.found},
          {"sources", sources},
          {"citations", citations},
          {"chunks", ChunksToJson(answer.chunks, 0)},
          {"prompt_tokens", answer.prompt_tokens},
          {"answer_tokens", answer.answer_tokens},
          {"finish_reason", FinishReasonName(answer.finish_reason)}};
}

void PrintSources(const Answer& answer) {
  if (answer.sources.empty()) return;
  std::cout << (answer.found ? "Sources\n" : "Nearest passages\n");
  for (const Source& source : answer.sources) {
    std::cout << fmt::format("  [{}]{} {:.3f} {}\n      {}\n", source.number, source.cited ? "*" : " ",
                             source.passage.score, SourceLine(source.passage), source.sentence);
  }
}

void Ask(AskOptions options, const GlobalOptions& globals) {
  ThreadPool pool(globals.num_threads);
  const auto answerer = OpenAnswerer(options.answering, pool);
  if (globals.json)
    return PrintJson(ToJson(options.question, answerer->Ask(options.question, options.answering.answer, pool)));
  std::cout << "Question: " << options.question << "\nAnswer: " << std::flush;
  const Answer answer = answerer->Ask(options.question, options.answering.answer, pool, [](std::string_view text) {
    std::cout << text << std::flush;
    return true;
  });
  std::cout << '\n';
  PrintSources(answer);
}

}  // namespace

void AddAsk(CLI::App& app, const GlobalOptions& globals) {
  auto* ask = app.add_subcommand("ask", "Answer a question from the passages of a database, with sources");
  auto options = std::make_shared<AskOptions>();
  ask->add_option("question", options->question, "The question")->required();
  AddAnsweringOptions(*ask, options->answering);
  AddFilterOptions(*ask, options->answering.database.search.filter);
  ask->callback([options, &globals] { Ask(*options, globals); });
}

}  // namespace retro::cli
