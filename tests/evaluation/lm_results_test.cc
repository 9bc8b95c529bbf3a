#include "evaluation/lm_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numbers>

#include "core/file.h"
#include "evaluation/lm_report.h"
#include "evaluation/lm_summary.h"
#include "tests/evaluation/lm_testing.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kBit = std::numbers::ln2;

LmArmScores Arm(LmArm arm, std::vector<std::vector<double>> bits) {
  LmArmScores scores{std::move(arm), {}};
  for (std::vector<double>& chunks : bits) {
    for (double& value : chunks) value *= kBit;
    const bool off = scores.arm.kind == LmArmKind::kOff;
    scores.documents.push_back(
        {.nats = std::move(chunks), .num_queries = off ? 0u : 1u, .num_neighbours = off ? 0u : 2u});
  }
  return scores;
}

// Chunks of 4: "abcdefg" has two of 3 and 4 bytes, "xyz" one of 3, "uvw" one of 3.
LmEvaluation Example() {
  LmEvaluation evaluation{.chunk_len = 4, .documents = {}, .overlaps = {{0.125, 0.5}, {1.0}, {0.0}}, .arms = {}};
  evaluation.documents = {MakeLmDocument("one", "abcdefg", 4, "wiki"), MakeLmDocument("two", "xyz", 4, "news"),
                          MakeLmDocument("three", "uvw", 4, "wiki")};
  evaluation.arms = {Arm({.name = "off"}, {{6, 8}, {9}, {3}}), Arm({"on", LmArmKind::kOn, 2, 1}, {{3, 4}, {9}, {3}}),
                     Arm({"random", LmArmKind::kRandom, 2, 1}, {{6, 9}, {9}, {3}}),
                     Arm({"on k=4", LmArmKind::kOn, 4, 1}, {{3, 3}, {9}, {3}}),
                     Arm({"on db=0.1", LmArmKind::kOn, 2, 0.1}, {{6, 7}, {9}, {3}})};
  return evaluation;
}

LmRunInfo Info() {
  return {.model = "model",
          .config = {{"window", 8}, {"stride", 4}, {"bootstrap_samples", 100}, {"confidence", 0.95}, {"seed", 1}},
          .input = {{"prefix", "bos"}},
          .database = {{"chunks", 1000}},
          .version = "1.2"};
}

nlohmann::json ExampleJson() {
  const LmEvaluation evaluation = Example();
  return LmResultsToJson(evaluation, Differences(evaluation, {.num_samples = 100}), Info());
}

TEST(SumScores, AreOfTheChunksInTheScope) {
  const LmEvaluation evaluation = Example();
  const LmSums all = SumScores(evaluation, 0);
  EXPECT_EQ(all.documents, 3u);
  EXPECT_EQ(all.chunks, 4u);
  EXPECT_EQ(all.bytes, 13u);
  EXPECT_EQ(all.tokens, 13u);
  EXPECT_NEAR(all.BitsPerByte(), 26.0 / 13, 1e-12);
  const LmSums wiki = SumScores(evaluation, 0, {.source = "wiki"});
  EXPECT_EQ(wiki.documents, 2u);
  EXPECT_NEAR(wiki.BitsPerByte(), 17.0 / 10, 1e-12);
  const LmSums clean = SumScores(evaluation, 1, {.max_overlap = kNoLeakage});
  EXPECT_EQ(clean.chunks, 2u);  // an overlap of exactly the limit is within it
  EXPECT_EQ(clean.bytes, 6u);
  EXPECT_EQ(clean.documents, 2u);
  EXPECT_EQ(clean.words, 0u);
  EXPECT_NEAR(clean.BitsPerByte(), 1.0, 1e-12);
}

TEST(SumScores, EveryBucketHoldsTheOnesBelowAndTheLastEverything) {
  const LmEvaluation evaluation = Example();
  std::vector<uint64_t> chunks;
  for (const double limit : kOverlapLimits) {
    chunks.push_back(SumScores(evaluation, 0, {.max_overlap = limit}).chunks);
  }
  EXPECT_EQ(chunks, (std::vector<uint64_t>{2, 2, 3, 3, 4}));
  EXPECT_EQ(SumScores(evaluation, 0, {.max_overlap = 1.0}).nats, SumScores(evaluation, 0).nats);
}

TEST(OverlapHistogram, PutsEveryChunkIntoOneBin) {
  const auto bins = OverlapHistogram(Example());
  ASSERT_EQ(bins.size(), 16u);
  EXPECT_EQ(bins[0].chunks, 1u);
  EXPECT_EQ(bins[2].chunks, 1u);
  EXPECT_EQ(bins[2].bytes, 3u);
  EXPECT_EQ(bins[8].chunks, 1u);
  EXPECT_EQ(bins[15].chunks, 1u);  // r = 1
  EXPECT_EQ(bins[15].high, 1.0);
}

TEST(Differences, AreOfEveryArmAgainstTheFirstAndOfOnAgainstTheControls) {
  const auto differences = Differences(Example(), {.num_samples = 200});
  const auto find = [&](const std::string& arm, const std::string& reference, const std::string& scope) {
    for (const LmDifference& difference : differences) {
      if (difference.arm == arm && difference.reference == reference && ScopeName(difference.scope) == scope) {
        return difference;
      }
    }
    ADD_FAILURE() << arm << " against " << reference << " over " << scope;
    return LmDifference{};
  };
  EXPECT_NEAR(find("on", "off", "everything").bits_per_byte, -7.0 / 13, 1e-12);
  EXPECT_NEAR(find("on", "off", "everything").relative, -7.0 / 26, 1e-12);
  EXPECT_NEAR(find("on", "off", "r ≤ 0.125").bits_per_byte, -3.0 / 6, 1e-12);
  EXPECT_NEAR(find("on", "random", "everything").bits_per_byte, -8.0 / 13, 1e-12);
  EXPECT_NEAR(find("on k=4", "off", "source wiki").bits_per_byte, -8.0 / 10, 1e-12);
  EXPECT_FALSE(find("on", "off", "source news").interval);  // one document
  const auto interval = find("on", "off", "everything").interval;
  ASSERT_TRUE(interval);
  EXPECT_LE(interval->low, -7.0 / 13);
  EXPECT_GE(interval->high, -7.0 / 13);
}

TEST(LmResultsToJson, HasTheHarnessFieldsAndTheSumsOfEveryDocument) {
  const nlohmann::json json = ExampleJson();
  EXPECT_NEAR(json["results"]["off"]["bits_per_byte,none"].get<double>(), 2.0, 1e-12);
  EXPECT_NEAR(json["results"]["off"]["byte_perplexity,none"].get<double>(), 4.0, 1e-12);
  EXPECT_EQ(json["results"]["on"]["alias"], "on");
  EXPECT_EQ(json["versions"]["on"], 1);
  EXPECT_EQ(json["n-samples"]["on"]["effective"], 3);
  EXPECT_EQ(json["higher_is_better"]["on"]["bits_per_byte"], false);
  EXPECT_EQ(json["config"]["window"], 8);
  EXPECT_EQ(json["lm"]["documents"].size(), 3u);
  EXPECT_EQ(json["lm"]["documents"][0]["bytes"], 7);
  EXPECT_NEAR(json["lm"]["documents"][0]["nats"]["on"].get<double>(), 7 * kBit, 1e-12);
  EXPECT_NEAR(json["lm"]["arms"][1]["overlaps"][0]["bits_per_byte"].get<double>(), 1.0, 1e-12);
  EXPECT_EQ(json["lm"]["arms"][1]["overlaps"][0]["tokens"], 6);
  EXPECT_EQ(json["lm"]["arms"][1]["neighbours"], 6);
  EXPECT_EQ(json["lm"]["arms"][0]["sources"]["news"]["bytes"], 3);
}

TEST(LmResultsToJson, WhatDoesNotExistIsNull) {
  LmEvaluation evaluation = Example();
  evaluation.overlaps = {{0.9, 0.9}, {0.9}, {0.9}};  // no chunk without leakage
  const auto json = LmResultsToJson(evaluation, Differences(evaluation, {.num_samples = 10}), Info());
  EXPECT_TRUE(json["lm"]["arms"][0]["overlaps"][0]["bits_per_byte"].is_null());
  EXPECT_NO_THROW(json.dump());
  evaluation.overlaps.clear();
  EXPECT_FALSE(LmResultsToJson(evaluation, {}, Info())["lm"].contains("overlap_histogram"));
}

TEST(LmResultsToMarkdown, HasARowAnArmADifferenceAndABucket) {
  const LmEvaluation evaluation = Example();
  const std::string text = LmResultsToMarkdown(evaluation, Differences(evaluation, {.num_samples = 10}), Info());
  EXPECT_THAT(text, HasSubstr("model: 3 documents, 13 tokens, 13 bytes, 3 words; window 8, stride 4"));
  EXPECT_THAT(text, HasSubstr("| off | 2.0000 | 4.000 |"));
  EXPECT_THAT(text, HasSubstr("| on | off | everything | -0.5385 | "));
  EXPECT_THAT(text, HasSubstr("| r ≤ 0.125 | 2 | 2 | 6 | 6 | 1.5000 | 1.0000 |"));
  EXPECT_THAT(text, HasSubstr("| source news | 1 | 1 | 3 | 3 | 3.0000 |"));
}

TEST(LmResultsToMarkdown, ATextCannotBreakTheTable) {
  LmEvaluation evaluation = Example();
  evaluation.documents[0].source = "a|b\nc";
  EXPECT_THAT(LmResultsToMarkdown(evaluation, {}, Info()), HasSubstr("| source a\\|b c |"));
}

class LmReportTest : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& name, const std::string& text) {
    WriteFileAtomically(dir_ / name, text);
    return dir_ / name;
  }
  TempDir dir_;
};

TEST_F(LmReportTest, ReadsBackWhatWasWritten) {
  const LmReportRun run = ReadLmResults(Write("r.json", ExampleJson().dump()));
  EXPECT_EQ(run.name, "model");
  ASSERT_EQ(run.arms.size(), 5u);
  EXPECT_NEAR(run.arms[1].total.bits_per_byte, 19.0 / 13, 1e-12);
  EXPECT_TRUE(std::isnan(run.arms[0].neighbours_a_chunk));
  EXPECT_EQ(run.arms[1].neighbours_a_chunk, 2.0);
  EXPECT_EQ(run.arms[1].overlaps.size(), 5u);
  EXPECT_EQ(run.arms[4].db_fraction, 0.1);
  EXPECT_EQ(run.database_chunks, 1000u);
  EXPECT_EQ(run.documents[2], (std::pair<std::string, uint64_t>{"three", 3}));
  EXPECT_EQ(run.bootstrap.num_samples, 100);
}

TEST_F(LmReportTest, ThePageHasTablesPlotsAndSweepsAndLoadsNothing) {
  const LmReportRun run = ReadLmResults(Write("r.json", ExampleJson().dump()));
  const std::string html = LmReportHtml({run}, {});
  for (const char* text : {"2.0000", "-0.5385", "Bits per byte of chunks with overlap", "Chunks by overlap r: model",
                           "Number of neighbours", "Size of the database", "By source", "Differences within a model"}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
  for (const char* text : {"http:", "https:", "<script", "<link", "@import", "url(", "src=", "nan", "inf<"}) {
    EXPECT_THAT(html, Not(HasSubstr(text)));
  }
}

TEST_F(LmReportTest, TextsOfTheInputAreEscaped) {
  nlohmann::json json = ExampleJson();
  const std::string evil = "<script>alert('x')</script>";
  json["model_name"] = evil;
  json["config"]["model"] = evil;
  json["lm"]["arms"][0]["sources"][evil] = json["lm"]["arms"][0]["sources"]["news"];
  json["lm"]["differences"][0]["scope"] = evil;
  const LmReportRun run = ReadLmResults(Write("r.json", json.dump()));
  const TrainingCurve curve{.name = evil, .measure = "loss", .validation = true, .points = {{1, 2}, {2, 1}}};
  const std::string html = LmReportHtml({run}, {curve});
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
}

TEST_F(LmReportTest, RunsOverTheSameDocumentsAreComparedAndOthersNot) {
  const LmReportRun run = ReadLmResults(Write("r.json", ExampleJson().dump()));
  LmReportRun other = run;
  other.name = "second";
  other.arms.resize(1);
  for (double& nats : other.arms[0].nats) nats += 1.3 * kBit;
  other.differences.clear();
  EXPECT_THAT(LmReportHtml({run, other}, {}), HasSubstr("<td class=\"bad\">+0.3000</td>"));
  other.documents[0].first = "another";
  EXPECT_THAT(LmReportHtml({run, other}, {}), Not(HasSubstr("+0.3000")));
}

TEST_F(LmReportTest, RefusesWhatIsNoResultNamingTheFile) {
  EXPECT_ERROR(ReadLmResults(dir_ / "none.json"), ErrorCode::kNotFound, "none.json");
  EXPECT_ERROR(ReadLmResults(Write("a.json", "{")), ErrorCode::kCorruption, "a.json is no result");
  EXPECT_ERROR(ReadLmResults(Write("a.json", "[]")), ErrorCode::kCorruption, "a.json is no result");
  const nlohmann::json whole = ExampleJson();
  for (const char* path : {"/lm/arms", "/lm/documents", "/lm/format_version", "/lm/arms/0/total", "/model_name",
                           "/lm/documents/1/nats/on", "/config/confidence", "/lm/overlap_histogram/3/high"}) {
    nlohmann::json changed = whole;
    changed[nlohmann::json::json_pointer(path)] = nlohmann::json::object();
    EXPECT_ERROR(ReadLmResults(Write("a.json", changed.dump())), ErrorCode::kCorruption, "a.json is no result");
  }
}

TEST_F(LmReportTest, TrainingCurvesComeFromMetricsAndPassOverWhatIsCutOff) {
  const auto path = Write("metrics.jsonl",
                          "{\"step\": 1, \"loss\": 3.5, \"bpb\": 1.5}\n{\"step\": 2, \"loss\": 3.0, \"bpb\": 1.25}\n"
                          "{\"step\": 2, \"valid\": {\"off\": {\"loss\": 3.2, \"bpb\": 1.4}, \"on\": {\"bpb\": 1.3}}}\n"
                          "[1]\n{\"note\": 1}\n{\"step\": 3, \"lo");
  const auto curves = ReadTrainingCurves(path);
  ASSERT_EQ(curves.size(), 5u);
  const std::string run = dir_.path().filename().string();
  EXPECT_EQ(curves[0].name, run + " training");
  EXPECT_EQ(curves[0].measure, "bits per byte");
  EXPECT_EQ(curves[0].points, (std::vector<std::pair<double, double>>{{1, 1.5}, {2, 1.25}}));
  EXPECT_EQ(curves[4].name, run + " validation, on");
  EXPECT_TRUE(curves[4].validation);
  const std::string html = LmReportHtml({}, curves);
  EXPECT_THAT(html, HasSubstr("Validation, bits per byte"));
  EXPECT_THAT(html, HasSubstr("Training, loss"));
  EXPECT_ERROR(ReadTrainingCurves(Write("m.jsonl", "{}\n")), ErrorCode::kInvalidArgument, "m.jsonl has no line");
}

}  // namespace
}  // namespace retro
