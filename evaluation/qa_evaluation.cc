#include "evaluation/qa_evaluation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/interrupt.h"
#include "evaluation/qa_metrics.h"

namespace retro {
namespace {

using nlohmann::json;

QaRow Judge(const QaQuestion& question, const QaPrediction& prediction) {
  QaRow row{.id = question.id,
            .question = question.question,
            .prediction = prediction.answer,
            .answers = question.answers,
            .answered = prediction.answered};
  if (question.answers.empty()) {
    row.exact_match = row.f1 = prediction.answered ? 0 : 1;
  } else if (prediction.answered) {
    row.exact_match = ExactMatch(prediction.answer, question.answers) ? 1 : 0;
    row.f1 = TokenF1(prediction.answer, question.answers);
  }
  for (const auto& passage : prediction.passages) {
    row.document_found |= std::ranges::find(question.doc_ids, passage.document_id) != question.doc_ids.end();
    const bool has_answer = HasAnswer(passage.text, question.answers);
    row.answer_in_passages |= has_answer;
    row.cited += passage.cited;
    row.cited_with_answer += passage.cited && has_answer;
  }
  return row;
}

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(part) / static_cast<double>(whole);
}

// Sums over questions, then the means.
struct Tally {
  double exact_match = 0, f1 = 0;
  uint64_t questions = 0, answered = 0, with_passages = 0, with_gold = 0, document_found = 0, answer_found = 0;
  uint64_t without_answer = 0, refused = 0, cited = 0, cited_with_answer = 0;

  void Add(const QaQuestion& question, const QaPrediction& prediction, const QaRow& row) {
    ++questions;
    exact_match += row.exact_match;
    f1 += row.f1;
    answered += row.answered;
    if (question.answers.empty()) {
      ++without_answer;
      refused += !row.answered;
    } else if (row.answered) {
      cited += row.cited;
      cited_with_answer += row.cited_with_answer;
    }
    if (prediction.passages.empty()) return;
    ++with_passages;
    with_gold += !question.doc_ids.empty();
    document_found += row.document_found;
    answer_found += row.answer_in_passages;
  }

  QaScores Means(double seconds) const {
    return {questions,
            exact_match / questions,
            f1 / questions,
            Share(answered, questions),
            Share(refused, without_answer),
            Share(cited_with_answer, cited),
            Share(document_found, with_gold),
            Share(answer_found, with_passages),
            seconds};
  }
};

QaResult RunArm(std::span<const QaQuestion> questions, const QaArm& arm,
                const std::function<void(const QaRow&)>& on_answer) {
  const auto start = std::chrono::steady_clock::now();
  QaResult result{arm.name, {}, {}};
  Tally tally;
  for (const QaQuestion& question : questions) {
    ThrowIfInterrupted();
    const QaPrediction prediction = arm.answer(question);
    result.rows.push_back(Judge(question, prediction));
    tally.Add(question, prediction, result.rows.back());
    if (on_answer) on_answer(result.rows.back());
  }
  result.scores = tally.Means(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return result;
}

json NumberOrNull(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json RowToJson(const QaRow& row) {
  return {{"id", row.id},
          {"question", row.question},
          {"answers", row.answers},
          {"prediction", row.prediction},
          {"answered", row.answered},
          {"exact_match", row.exact_match},
          {"f1", row.f1},
          {"document_found", row.document_found},
          {"answer_in_passages", row.answer_in_passages}};
}

std::string Percent(double share) { return std::isfinite(share) ? fmt::format("{:.1f}", 100 * share) : "–"; }

}  // namespace

std::vector<QaResult> EvaluateQa(std::span<const QaQuestion> questions, std::span<const QaArm> arms,
                                 const std::function<void(const QaRow&)>& on_answer) {
  if (questions.empty()) Throw(ErrorCode::kInvalidArgument, "there are no questions to evaluate");
  std::vector<QaResult> results;
  for (const QaArm& arm : arms) results.push_back(RunArm(questions, arm, on_answer));
  return results;
}

json QaResultsToJson(std::span<const QaResult> results, bool with_rows) {
  json arms = json::array();
  for (const QaResult& result : results) {
    const QaScores& scores = result.scores;
    json arm = {{"arm", result.arm},
                {"n", scores.num_questions},
                {"exact_match", scores.exact_match},
                {"f1", scores.f1},
                {"answered", scores.answered},
                {"refused", NumberOrNull(scores.refused)},
                {"citation_precision", NumberOrNull(scores.citation_precision)},
                {"document_recall", NumberOrNull(scores.document_recall)},
                {"answer_recall", NumberOrNull(scores.answer_recall)},
                {"seconds", scores.seconds}};
    if (with_rows) {
      arm["rows"] = json::array();
      for (const QaRow& row : result.rows) arm["rows"].push_back(RowToJson(row));
    }
    arms.push_back(std::move(arm));
  }
  return {{"arms", std::move(arms)}};
}

std::string QaResultsToMarkdown(std::span<const QaResult> results) {
  std::string table =
      "| arm | questions | exact match | F1 | answered | unanswerable ones refused | cited passage has the answer | "
      "gold "
      "document retrieved | answer in passages |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const QaResult& result : results) {
    const QaScores& scores = result.scores;
    table +=
        fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", result.arm, scores.num_questions,
                    Percent(scores.exact_match), Percent(scores.f1), Percent(scores.answered), Percent(scores.refused),
                    Percent(scores.citation_precision), Percent(scores.document_recall), Percent(scores.answer_recall));
  }
  return table;
}

}  // namespace retro
