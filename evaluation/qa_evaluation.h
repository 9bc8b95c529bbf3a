// A question set put to a way of answering, and how well it did.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "datasets/document.h"

namespace retro {

struct QaQuestion {
  std::string id;
  std::string question;
  std::vector<std::string> answers;  // accepted ones; none: it has no answer and should be refused
  std::vector<std::string> doc_ids;  // gold documents; may be empty
};

// JSON lines with "question", "answers" (or "answer": one or several strings; or instead of either "answerable":
// false), optionally "id" and "doc_ids"; plain or packed. `max_questions` 0: all; otherwise as many, evenly spread over
// the file. Throws Error(kNotFound), and Error(kCorruption) naming line and field.
std::vector<QaQuestion> ReadQaQuestions(const std::filesystem::path& path, size_t max_questions = 0);

// The gold documents of the questions, by id, out of a corpus (files as datasets/document.h reads them). Throws
// Error(kInvalidArgument) naming the first one that the corpus lacks.
std::map<std::string, Document> ReadGoldDocuments(std::span<const QaQuestion> questions,
                                                  const std::vector<std::filesystem::path>& corpus);

// What came back for one question.
struct QaPrediction {
  struct Passage {
    std::string document_id, text;
    bool cited = false;
  };
  std::string answer;             // without citation markers
  bool answered = true;           // false: it was said that there is no answer
  std::vector<Passage> passages;  // best first; empty without retrieval
};
using AnswerFunction = std::function<QaPrediction(const QaQuestion&)>;

// One row of the table: a name ("retrieval off") and a way of answering.
struct QaArm {
  std::string name;
  AnswerFunction answer;
};

struct QaScores {
  uint64_t num_questions = 0;
  // Means, 0 to 1. A question without an answer counts 1 where it was refused, as in SQuAD 2.0, and else 0; one with
  // answers counts 0 where it was refused.
  double exact_match = 0, f1 = 0;
  double answered = 0;  // share
  double refused = 0;   // share of the questions without an answer; NaN when there are none
  // Of the passages cited for questions that have answers, the share that holds one. NaN when there are none.
  double citation_precision = 0;
  // Of the questions with retrieved passages: a gold document is among them (share of the questions that have one), an
  // accepted answer occurs in one of them (DPR's answer recall). NaN when there are none.
  double document_recall = 0, answer_recall = 0;
  double seconds = 0;
};

struct QaRow {
  std::string id, question, prediction;
  std::vector<std::string> answers;
  double exact_match = 0, f1 = 0;
  bool answered = true, document_found = false, answer_in_passages = false;
  int cited = 0, cited_with_answer = 0;  // passages
};

struct QaResult {
  std::string arm;
  QaScores scores;
  std::vector<QaRow> rows;  // in the order of the questions
};

// Puts every question to every arm, one arm after the other. `on_answer` (may be empty) is called after each. Throws
// Error(kInvalidArgument) on no questions, Error(kUnavailable) when interrupted, and what an arm throws.
std::vector<QaResult> EvaluateQa(std::span<const QaQuestion> questions, std::span<const QaArm> arms,
                                 const std::function<void(const QaRow&)>& on_answer = {});

// {"arms": [{"arm", "n", "exact_match", "f1", …, "rows": […]}]}; shares that do not exist are null.
nlohmann::json QaResultsToJson(std::span<const QaResult> results, bool with_rows);
// A table with a row an arm, shares as percentages.
std::string QaResultsToMarkdown(std::span<const QaResult> results);

}  // namespace retro
