#include "evaluation/qa_evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/file.h"
#include "core/interrupt.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

std::vector<QaQuestion> TwoQuestions() {
  return {{"1", "Who built it?", {"Elsa Norling"}, {"doc/bridge"}}, {"2", "When?", {"1931", "in 1931"}, {"doc/date"}}};
}

TEST(EvaluateQa, MeansAreOverTheQuestionsOfAnArm) {
  const QaArm right{"right", [](const QaQuestion& question) { return QaPrediction{question.answers[0], true, {}}; }};
  const QaArm half{"half", [](const QaQuestion& question) {
                     return QaPrediction{question.id == "1" ? "Norling" : "1931", true, {}};
                   }};
  const auto results = EvaluateQa(TwoQuestions(), std::vector<QaArm>{right, half});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].arm, "right");
  EXPECT_EQ(results[0].scores.exact_match, 1);
  EXPECT_EQ(results[0].scores.f1, 1);
  EXPECT_EQ(results[0].scores.num_questions, 2u);
  EXPECT_EQ(results[1].scores.exact_match, 0.5);
  EXPECT_NEAR(results[1].scores.f1, (2.0 / 3.0 + 1) / 2, 1e-12);
  EXPECT_EQ(results[1].rows[0].prediction, "Norling");
  EXPECT_TRUE(std::isnan(results[0].scores.document_recall));
  EXPECT_TRUE(std::isnan(results[0].scores.answer_recall));
}

TEST(EvaluateQa, RecallLooksForGoldDocumentsAndForAnswersInThePassages) {
  const QaArm arm{
      "on", [](const QaQuestion&) {
        return QaPrediction{"no idea", true, {{"doc/bridge", "A bridge.", false}, {"doc/x", "Built in 1931.", false}}};
      }};
  const QaResult result = EvaluateQa(TwoQuestions(), {&arm, 1}).front();
  EXPECT_EQ(result.scores.document_recall, 0.5);
  EXPECT_EQ(result.scores.answer_recall, 0.5);
  EXPECT_TRUE(result.rows[0].document_found);
  EXPECT_FALSE(result.rows[0].answer_in_passages);
  EXPECT_TRUE(result.rows[1].answer_in_passages);
}

TEST(EvaluateQa, ARefusalIsCountedAsWrong) {
  const QaArm arm{"on", [](const QaQuestion& question) {
                    return QaPrediction{question.answers[0], question.id == "1", {}};
                  }};
  const QaResult result = EvaluateQa(TwoQuestions(), {&arm, 1}).front();
  EXPECT_EQ(result.scores.answered, 0.5);
  EXPECT_EQ(result.scores.exact_match, 0.5);
  EXPECT_EQ(result.rows[1].f1, 0);
}

TEST(EvaluateQa, AQuestionWithoutAnAnswerIsRightWhenRefused) {
  const std::vector<QaQuestion> questions = {{"1", "Who?", {}, {}}, {"2", "When?", {}, {}}, {"3", "Why?", {"so"}, {}}};
  const QaArm arm{"on", [](const QaQuestion& question) { return QaPrediction{"so", question.id != "1", {}}; }};
  const QaResult result = EvaluateQa(questions, {&arm, 1}).front();
  EXPECT_EQ(result.scores.refused, 0.5);
  EXPECT_NEAR(result.scores.exact_match, 2.0 / 3, 1e-12);
  EXPECT_NEAR(result.scores.f1, 2.0 / 3, 1e-12);
}

TEST(EvaluateQa, ACitationIsRightWhenThePassageHoldsAnAnswer) {
  const QaArm arm{"on", [](const QaQuestion& question) {
                    return QaPrediction{"x",
                                        true,
                                        {{"a", "Built in 1931.", true},
                                         {"b", "By Elsa Norling.", question.id == "1"},
                                         {"c", "By Elsa Norling, in 1931.", false}}};
                  }};
  const QaResult result = EvaluateQa(TwoQuestions(), {&arm, 1}).front();
  EXPECT_NEAR(result.scores.citation_precision, 2.0 / 3, 1e-12);
  const QaArm none{"off", [](const QaQuestion&) { return QaPrediction{"x", true, {}}; }};
  EXPECT_TRUE(std::isnan(EvaluateQa(TwoQuestions(), {&none, 1}).front().scores.citation_precision));
}

TEST(EvaluateQa, TellsOfEachAnswerAndStopsWhenInterrupted) {
  const QaArm arm{"on", [](const QaQuestion&) { return QaPrediction{}; }};
  int calls = 0;
  const auto interrupt = [&](const QaRow&) {
    ++calls;
    SetInterrupted(true);
  };
  EXPECT_ERROR(EvaluateQa(TwoQuestions(), {&arm, 1}, interrupt), ErrorCode::kUnavailable, "");
  SetInterrupted(false);
  EXPECT_EQ(calls, 1);
  EXPECT_ERROR(EvaluateQa({}, {&arm, 1}), ErrorCode::kInvalidArgument, "no questions");
}

TEST(EvaluateQa, ResultsAreWrittenAsJsonAndAsATable) {
  const QaArm arm{"retrieval on", [](const QaQuestion& question) {
                    return QaPrediction{question.answers[0], true, {{"doc/date", "1931", false}}};
                  }};
  const auto results = EvaluateQa(TwoQuestions(), {&arm, 1});
  const auto json = QaResultsToJson(results, true);
  EXPECT_EQ(json["arms"][0]["n"], 2);
  EXPECT_EQ(json["arms"][0]["exact_match"], 1.0);
  EXPECT_EQ(json["arms"][0]["document_recall"], 0.5);
  EXPECT_EQ(json["arms"][0]["rows"][1]["answers"][1], "in 1931");
  EXPECT_FALSE(QaResultsToJson(results, false)["arms"][0].contains("rows"));
  EXPECT_THAT(QaResultsToMarkdown(results),
              ::testing::HasSubstr("| retrieval on | 2 | 100.0 | 100.0 | 100.0 | – | – | 50.0 | 50.0 |\n"));
}

TEST(EvaluateQa, SharesThatDoNotExistAreNullAndADash) {
  const QaArm arm{"off", [](const QaQuestion&) { return QaPrediction{}; }};
  const auto results = EvaluateQa(TwoQuestions(), {&arm, 1});
  EXPECT_TRUE(QaResultsToJson(results, false)["arms"][0]["document_recall"].is_null());
  EXPECT_THAT(QaResultsToMarkdown(results), ::testing::HasSubstr("| – | – |\n"));
}

TEST(ReadQaQuestions, ReadsListsAndSingleAnswersAndGivesMissingIdsAPlace) {
  TempDir dir;
  WriteFileAtomically(dir / "q.jsonl",
                      "{\"id\": \"a\", \"question\": \"Q1\", \"answers\": [\"x\", \"y\"], \"doc_ids\": [\"d\"]}\r\n\n"
                      "{\"question\": \"Q2\", \"answer\": \"z\"}\n");
  const auto questions = ReadQaQuestions(dir / "q.jsonl");
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].answers, std::vector<std::string>({"x", "y"}));
  EXPECT_EQ(questions[0].doc_ids, std::vector<std::string>({"d"}));
  EXPECT_EQ(questions[1].answers, std::vector<std::string>({"z"}));
  EXPECT_THAT(questions[1].id, ::testing::EndsWith("q.jsonl:3"));
}

TEST(ReadQaQuestions, AnUnanswerableOneHasNoAnswers) {
  TempDir dir;
  WriteFileAtomically(dir / "q.jsonl", "{\"question\": \"Q\", \"answerable\": false, \"answers\": [\"z\"]}\n");
  EXPECT_TRUE(ReadQaQuestions(dir / "q.jsonl")[0].answers.empty());
}

TEST(ReadQaQuestions, FewerAreSpreadOverTheFile) {
  TempDir dir;
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += fmt::format("{{\"id\": \"{}\", \"question\": \"?\", \"answer\": \"a\"}}\n", i);
  WriteFileAtomically(dir / "q.jsonl", lines);
  const auto questions = ReadQaQuestions(dir / "q.jsonl", 4);
  ASSERT_EQ(questions.size(), 4u);
  EXPECT_EQ(questions[1].id, "2");
  EXPECT_EQ(questions[3].id, "7");
  EXPECT_EQ(ReadQaQuestions(dir / "q.jsonl", 99).size(), 10u);
}

TEST(ReadQaQuestions, NamesTheLineAndTheFieldThatAreWrong) {
  TempDir dir;
  const auto expect = [&](const std::string& line, const char* text) {
    WriteFileAtomically(dir / "q.jsonl", "{\"question\": \"Q\", \"answer\": \"z\"}\n" + line + "\n");
    EXPECT_ERROR(ReadQaQuestions(dir / "q.jsonl"), ErrorCode::kCorruption, std::string("q.jsonl:2 ") + text);
  };
  expect("{\"question\": ", "is not a JSON object");
  expect("[1]", "is not a JSON object");
  expect("{\"answer\": \"z\"}", "has no string \"question\"");
  expect("{\"question\": 5, \"answer\": \"z\"}", "has no string \"question\"");
  expect("{\"question\": \"Q\"}", "has no \"answer\"");
  expect("{\"question\": \"Q\", \"answers\": []}", "has no answer");
  expect("{\"question\": \"Q\", \"answers\": [1]}", "has a \"answers\" that is neither");
  WriteFileAtomically(dir / "q.jsonl", "\n");
  EXPECT_ERROR(ReadQaQuestions(dir / "q.jsonl"), ErrorCode::kInvalidArgument, "holds no question");
}

TEST(ReadGoldDocuments, FindsTheDocumentsOrNamesTheMissingOne) {
  TempDir dir;
  WriteFileAtomically(dir / "c.jsonl",
                      "{\"id\": \"doc/other\", \"text\": \"o\"}\n{\"id\": \"doc/bridge\", \"title\": \"B\", \"text\": "
                      "\"A bridge.\"}\n{\"id\": \"doc/date\", \"text\": \"1931\"}\n");
  const auto documents = ReadGoldDocuments(TwoQuestions(), {dir / "c.jsonl"});
  EXPECT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents.at("doc/bridge").text, "A bridge.");
  auto questions = TwoQuestions();
  questions[0].doc_ids = {"doc/none"};
  EXPECT_ERROR(ReadGoldDocuments(questions, {dir / "c.jsonl"}), ErrorCode::kInvalidArgument, "doc/none");
}

}  // namespace
}  // namespace retro
