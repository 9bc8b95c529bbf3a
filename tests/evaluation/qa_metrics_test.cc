#include "evaluation/qa_metrics.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "core/file.h"

namespace retro {
namespace {

using Answers = std::vector<std::string>;

TEST(QaMetrics, AgreeWithThePublishedRules) {
  const auto cases = nlohmann::json::parse(ReadFile(RETRO_SOURCE_DIR "/tests/golden/qa_metrics/expected.json"));
  ASSERT_GT(cases.size(), 20u);
  for (const auto& expected : cases) {
    const std::string prediction = expected["prediction"];
    const Answers answers = expected["answers"];
    EXPECT_EQ(NormalizeAnswer(prediction), expected["normalized"]) << prediction;
    EXPECT_EQ(ExactMatch(prediction, answers), expected["exact_match"]) << prediction;
    EXPECT_DOUBLE_EQ(TokenF1(prediction, answers), expected["f1"]) << prediction;
    EXPECT_EQ(HasAnswer(prediction, answers), expected["has_answer"]) << prediction;
  }
}

TEST(QaMetrics, ArticlesPunctuationAndCaseDoNotCount) {
  EXPECT_EQ(NormalizeAnswer("  The  \"Eiffel\" Tower, a landmark. "), "eiffel tower landmark");
  EXPECT_TRUE(ExactMatch("the Tower!", Answers{"nothing", "tower"}));
  EXPECT_FALSE(ExactMatch("the Tower of", Answers{"tower"}));
}

TEST(QaMetrics, F1CountsSharedWordsAgainstTheBestAnswer) {
  // Two words shared of three and four: 2 * 2 / (3 + 4).
  EXPECT_DOUBLE_EQ(TokenF1("red green blue", Answers{"x", "green blue old new"}), 4.0 / 7.0);
}

TEST(QaMetrics, WithoutAcceptedAnswersNothingIsRight) {
  EXPECT_FALSE(ExactMatch("x", Answers{}));
  EXPECT_EQ(TokenF1("x", Answers{}), 0);
  EXPECT_FALSE(HasAnswer("x", Answers{}));
}

TEST(QaMetrics, AnAnswerInAPassageIsARunOfWholeTokens) {
  EXPECT_TRUE(HasAnswer("Born in New York, 1931.", Answers{"new york"}));
  EXPECT_FALSE(HasAnswer("a new Yorkshire pudding", Answers{"new york"}));
  EXPECT_FALSE(HasAnswer("anything", Answers{"", " "}));
}

}  // namespace
}  // namespace retro
