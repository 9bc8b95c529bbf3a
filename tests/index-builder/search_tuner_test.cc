#include "index-builder/search_tuner.h"

#include <gtest/gtest.h>

#include "index-builder/recall.h"
#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

IndexOptions Lists(const std::string& factory = "IVF8,PQ16x4fs") {
  IndexOptions options = TestDatabase::Options();
  options.factory = factory;
  options.target_recall = 0.2;  // so that the build chooses another setting than the tests ask for
  return options;
}

struct TunedDatabase : UpdatedDatabase {
  explicit TunedDatabase(const IndexOptions& options = Lists()) { BuildFrom(out(), NumberedDocuments(0, 60), options); }

  TuneReport Tune(const TuneOptions& options = {}) { return TuneDatabase(out(), tokenizer, *embedder, options, pool); }
};

TEST(SearchTuner, SearchesHaveTheTunedSettingFromThenOn) {
  TunedDatabase test;
  const auto before = test.Open();
  const TuneReport report = test.Tune({.recall = 0.9});
  ASSERT_EQ(report.parts.size(), 1u);
  const TunedPart& part = report.parts[0];
  const TunedSearch& chosen = part.front.at(part.chosen);
  EXPECT_TRUE(report.changed && part.reached);
  EXPECT_EQ(report.generation, 1u);
  EXPECT_GE(chosen.recall, 0.9);
  const SearchOptions explicitly{.k = 5, .nprobe = chosen.nprobe, .rerank_factor = chosen.rerank_factor};
  const auto after = test.Open();
  EXPECT_EQ(test.SearchTexts(*after, {.k = 5}), test.SearchTexts(*before, explicitly));
  EXPECT_EQ(test.SearchTexts(*before->OpenNewer(), {.k = 5}), test.SearchTexts(*before, explicitly));
  EXPECT_NE(test.SearchTexts(*before, {.k = 5}), test.SearchTexts(*before, explicitly));
  // What a call asks for comes first.
  EXPECT_EQ(test.SearchTexts(*after, {.k = 5, .nprobe = 1, .rerank_factor = 1}),
            test.SearchTexts(*before, {.k = 5, .nprobe = 1, .rerank_factor = 1}));
}

TEST(SearchTuner, TheFrontRisesInTimeAndInRecallAndTheFirstThatReachesTheTargetIsChosen) {
  TunedDatabase test;
  const TunedPart part = test.Tune({.recall = 0.8}).parts[0];
  for (size_t i = 1; i < part.front.size(); ++i) {
    EXPECT_GE(part.front[i].median_ms, part.front[i - 1].median_ms);
    EXPECT_GT(part.front[i].recall, part.front[i - 1].recall);
  }
  EXPECT_GE(part.front[part.chosen].recall, 0.8);
  for (size_t i = 0; i < part.chosen; ++i) EXPECT_LT(part.front[i].recall, 0.8);
  EXPECT_EQ(part.front.back().recall, 1);  // all lists, everything re-ranked
}

TEST(SearchTuner, ALimitOnLatencyTakesTheBestRecallWithinIt) {
  TunedDatabase test;
  const TunedPart generous = test.Tune({.latency_ms = 1e6}).parts[0];
  EXPECT_EQ(generous.chosen, generous.front.size() - 1);
  EXPECT_TRUE(generous.reached);
  const TunedPart impossible = test.Tune({.latency_ms = 1e-9}).parts[0];
  EXPECT_EQ(impossible.chosen, 0u);
  EXPECT_FALSE(impossible.reached);
}

TEST(SearchTuner, TheMeasuredRecallIsThatOfComparingWithAnExactIndex) {
  TunedDatabase test;
  test.BuildFrom(test.folder / "exact", NumberedDocuments(0, 60));
  std::vector<std::string> texts;
  for (const UpdatedDocument& document : NumberedDocuments(0, 40)) texts.push_back(document.text.substr(3, 20));
  const TunedPart part = test.Tune({.k = 5, .recall = 0.85, .queries = texts}).parts[0];
  const auto exact = test.Search(*test.Open(test.folder / "exact"), {.k = 5});
  const auto found = test.Search(*test.Open(), {.k = 5});
  double hits = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    for (const Neighbour& neighbour : found[i]) hits += neighbour.distance <= exact[i].back().distance + 1e-3f;
  }
  EXPECT_NEAR(hits / 200, part.front[part.chosen].recall, 0.011);  // rows are rounded to half precision
}

TEST(SearchTuner, AnExactIndexHasNothingToTune) {
  TunedDatabase test(TestDatabase::Options());
  const TuneReport report = test.Tune();
  EXPECT_FALSE(report.changed);
  EXPECT_EQ(report.generation, 0u);
  EXPECT_TRUE(report.parts[0].front.empty());
}

TEST(SearchTuner, WithoutEmbeddingsItSaysHowToKeepThem) {
  IndexOptions options = Lists();
  options.keep_embeddings = false;
  TunedDatabase test(options);
  EXPECT_ERROR(test.Tune(), ErrorCode::kInvalidArgument, "--keep-embeddings");
}

TEST(SearchTuner, TheSettingOutlivesAnAdditionAndARemoval) {
  TunedDatabase test;
  test.Tune({.recall = 0.9});
  test.Add(NumberedDocuments(60, 3));
  test.Remove({.ids = {"doc/1"}, .sources = {}});
  const DatabaseGeneration generation = DatabaseGeneration::Load(test.out());
  ASSERT_EQ(generation.parts.size(), 2u);
  EXPECT_TRUE(generation.parts[0].search.has_value());
  EXPECT_FALSE(generation.parts[1].search.has_value());
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool).at("ok").get<bool>());
  EXPECT_EQ(IndexStats(test.out()).at("parts")[0].at("search").at("nprobe"), generation.parts[0].search->nprobe);
  test.Compact();
  EXPECT_FALSE(DatabaseGeneration::Load(test.out()).parts[0].search.has_value());
}

TEST(SearchTuner, EfSearchIsTunedWhereListsAreFoundByHnsw) {
  TunedDatabase test(Lists("IVF8_HNSW4,PQ16x4fs"));
  const TunedPart part = test.Tune({.recall = 0.9}).parts[0];
  EXPECT_GT(part.front[part.chosen].ef_search, 0);
  EXPECT_ERROR(test.Search(*test.Open(), {.k = 1, .nprobe = 1, .ef_search = -1}), ErrorCode::kInvalidArgument,
               "ef_search");
}

TEST(SearchTuner, OptionsThatCannotBeAreRefused) {
  TunedDatabase test;
  EXPECT_ERROR(test.Tune({.k = 0}), ErrorCode::kInvalidArgument, "k is 0");
  EXPECT_ERROR(test.Tune({.recall = 1.5}), ErrorCode::kInvalidArgument, "recall 1.5");
  EXPECT_ERROR(test.Tune({.latency_ms = -1}), ErrorCode::kInvalidArgument, "latency");
}

}  // namespace
}  // namespace retro
