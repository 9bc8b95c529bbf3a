// retro eval qa: a question set answered with retrieval, without, and from the gold passage; exact match and F1.
#include <algorithm>
#include <iostream>
#include <map>

#include "cli/answering.h"
#include "cli/eval.h"
#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "evaluation/qa_evaluation.h"

namespace retro::cli {
namespace {

struct EvalQaOptions {
  AnsweringOptions answering;
  std::string questions, out;
  std::vector<std::string> gold_corpus;
  std::vector<std::string> arms = {"on"};
  size_t max_questions = 0;
};

QaPrediction ToPrediction(const Answer& answer) {
  QaPrediction prediction{.answer = answer.plain_text, .answered = answer.found, .passages = {}};
  for (const Source& source : answer.sources) {
    prediction.passages.push_back({source.passage.document.id, source.passage.text, source.cited});
  }
  return prediction;
}

Passage GoldPassage(const Document& document) {
  return {.chunk = {}, .score = 1, .text = document.text, .document = InfoOf(document), .position = 0};
}

using GoldDocuments = std::map<std::string, Document>;

QaArm MakeArm(const std::string& name, const Answerer& answerer, AnswerOptions options, const GoldDocuments& gold,
              ThreadPool& pool) {
  if (name == "gold") {
    return {"gold passage", [&answerer, options, &gold, &pool](const QaQuestion& question) {
              std::vector<Passage> passages;
              for (const std::string& id : question.doc_ids) passages.push_back(GoldPassage(gold.at(id)));
              return ToPrediction(answerer.AskFrom(question.question, std::move(passages), options, pool));
            }};
  }
  if (name == "off") options.retrieval = RetrievalMode::kOff;
  return {"retrieval " + name, [&answerer, options, &pool](const QaQuestion& question) {
            return ToPrediction(answerer.Ask(question.question, options, pool));
          }};
}

void Qa(EvalQaOptions options, const GlobalOptions& globals) {
  ThreadPool pool(globals.num_threads);
  const std::vector<QaQuestion> questions = ReadQaQuestions(options.questions, options.max_questions);
  GoldDocuments gold;
  for (const std::string& arm : options.arms) {
    if (arm != "gold" || !gold.empty()) continue;
    if (options.gold_corpus.empty()) Throw(ErrorCode::kInvalidArgument, "the arm 'gold' needs --gold-corpus");
    gold = ReadGoldDocuments(questions, {options.gold_corpus.begin(), options.gold_corpus.end()});
  }
  const auto answerer = OpenAnswerer(options.answering, pool);
  const bool retrieves = options.answering.answer.retrieval != RetrievalMode::kOff;
  if (!retrieves && std::ranges::find(options.arms, "on") != options.arms.end()) {
    Throw(ErrorCode::kInvalidArgument, "the arm 'on' needs retrieval: leave out --retrieval off");
  }
  std::vector<QaArm> arms;
  for (const std::string& arm : options.arms)
    arms.push_back(MakeArm(arm, *answerer, options.answering.answer, gold, pool));
  Progress progress("answering", "questions", questions.size() * arms.size());
  const std::vector<QaResult> results = EvaluateQa(questions, arms, [&](const QaRow&) { progress.Add(1); });
  progress.Finish();
  if (!options.out.empty()) WriteFileAtomically(options.out, QaResultsToJson(results, true).dump(1) + "\n");
  if (globals.json) return PrintJson(QaResultsToJson(results, false));
  std::cout << QaResultsToMarkdown(results);
}

}  // namespace

void AddEvalQa(CLI::App& eval, const GlobalOptions& globals) {
  auto* qa = eval.add_subcommand("qa", "Exact match and F1 of answers to a question set");
  auto options = std::make_shared<EvalQaOptions>();
  qa->add_option("--questions", options->questions, "JSON lines with question, answers and, for the gold arm, doc_ids")
      ->required();
  qa->add_option("--arms", options->arms, "on (retrieval), off, gold (the question's own documents)")
      ->check(CLI::IsMember({"on", "off", "gold"}))
      ->delimiter(',')
      ->capture_default_str();
  qa->add_option("--gold-corpus", options->gold_corpus, "The documents that doc_ids name");
  qa->add_option("--max-questions", options->max_questions, "As many questions, spread evenly over the file; 0: all")
      ->capture_default_str();
  qa->add_option("--out", options->out, "Also write every answer here, as JSON");
  AddAnsweringOptions(*qa, options->answering);
  qa->callback([options, &globals] { Qa(*options, globals); });
}

}  // namespace retro::cli
