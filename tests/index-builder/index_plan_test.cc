#include "index-builder/index_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "index-builder/verify_index.h"
#include "tests/index-builder/test_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

constexpr PlanRates kRates{.embed_chunks_per_s = 1000, .multiply_adds_per_s = 1e10, .code_ns = 1, .cores = 4};

PlanOptions CorpusOf(double tokens) {
  PlanOptions options;
  options.tokens = tokens;
  return options;
}

// What was built must be within a tenth of what was planned.
void ExpectPlanned(TestDatabase& test, const IndexOptions& built) {
  const Manifest manifest = test.Build(built);
  const nlohmann::json stats = IndexStats(test.out());
  PlanOptions options = CorpusOf(manifest.counts.at("tokens").get<double>());
  options.document_len = options.tokens / manifest.counts.at("documents").get<double>();
  options.document_bytes = 16;
  options.chunk_len = built.chunk_len;
  options.dim = test.embedder->dim();
  const IndexPlan plan = PlanIndex(options, kRates);
  const auto near = [](double planned, double found, const char* what) {
    EXPECT_NEAR(planned / found, 1, 0.1) << what << " " << found;
  };
  near(plan.chunks, manifest.counts.at("chunks").get<double>(), "chunks");
  near(plan.store_bytes, stats.at("bytes").at("chunks").get<double>(), "store");
  near(plan.code_bytes + plan.centroid_bytes, stats.at("bytes").at("vectors.index").get<double>(), "index");
  const auto codes = [](const std::string& factory) { return factory.substr(factory.find(',') + 1); };
  EXPECT_EQ(codes(plan.factory), codes(stats.at("index").at("factory").get<std::string>()));
  if (plan.embedding_bytes > 0) near(plan.embedding_bytes, stats.at("bytes").at("embeddings").get<double>(), "rows");
}

TEST(IndexPlan, ASmallExactDatabaseIsAsPlanned) {
  TestDatabase test(300, 200);
  ExpectPlanned(test, {.chunk_len = 16, .block_chunks = 4096});
}

TEST(IndexPlan, ADatabaseOfListsAndCodesIsAsPlanned) {
  TestDatabase test(400, 200);
  ExpectPlanned(test, {.chunk_len = 16, .block_chunks = 4096, .training_chunks = 8192, .recall_queries = 20});
}

TEST(IndexPlan, ATrillionTokensTakeWhatTheFormulasSay) {
  PlanOptions options = CorpusOf(1.4e12);
  options.workers = 8;
  const IndexPlan plan = PlanIndex(options, kRates);
  EXPECT_DOUBLE_EQ(plan.chunks, 1.4e12 / 64 + 1.4e12 / 800 / 2);
  EXPECT_EQ(plan.factory, "IVF603324_HNSW32,PQ48x4fs");
  EXPECT_NEAR(plan.store_bytes, 2.8e12 + plan.chunks * 8 + plan.documents * 160, 0.08e12);
  EXPECT_NEAR(plan.code_bytes, plan.chunks * 32, 0.01e12);
  EXPECT_DOUBLE_EQ(plan.embedding_bytes, plan.chunks * 768);
  EXPECT_NEAR(plan.embed_hours, plan.chunks / 8000 / 3600, 1e-6);
  EXPECT_TRUE(plan.problems.empty());
}

TEST(IndexPlan, TheSearchIsWithinAStepOfWhatWasMeasured) {
  PlanOptions options = CorpusOf(6'572'536);  // 35,892 documents, 120,062 chunks
  options.document_len = 6'572'536.0 / 35'892;
  options.lexical = true;
  const double measured[][3] = {{0.91, 32, 16}, {0.95, 64, 32}, {0.97, 128, 32}};  // recall@10, nprobe, candidates / k
  for (const auto& [recall, nprobe, factor] : measured) {
    options.recall = recall;
    const IndexPlan plan = PlanIndex(options, kRates);
    EXPECT_NEAR(std::log2(plan.nprobe / nprobe), 0, 1) << recall;
    EXPECT_NEAR(std::log2(plan.candidates / options.k / factor), 0, 1) << recall;
    EXPECT_NEAR(plan.chunks / 120'062, 1, 0.01);
    EXPECT_NEAR((plan.code_bytes + plan.centroid_bytes) / 6'530'912, 1, 0.02);
    EXPECT_NEAR(plan.lexical_bytes / 10'921'080, 1, 0.15);
  }
}

TEST(IndexPlan, LittleRamShortensTheCodesAndThenAsksForWorkers) {
  PlanOptions options = CorpusOf(1.4e12);
  options.ram_bytes = 512e9;
  const IndexPlan shorter = PlanIndex(options, kRates);
  EXPECT_EQ(shorter.factory, "IVF603324_HNSW32,PQ24x4fs");
  EXPECT_LE(shorter.ram_bytes, 0.9 * 512e9);
  EXPECT_TRUE(shorter.problems.empty());
  options.ram_bytes = 100e9;
  const IndexPlan short_of = PlanIndex(options, kRates);
  ASSERT_EQ(short_of.problems.size(), 1u);
  EXPECT_THAT(short_of.problems[0], testing::HasSubstr(fmt::format("--workers {}", short_of.workers_for_ram)));
  options.workers = short_of.workers_for_ram;
  EXPECT_TRUE(PlanIndex(options, kRates).problems.empty());
  options.workers -= 1;
  EXPECT_NE(PlanIndex(options, kRates).factory, "IVF603324_HNSW32,PQ48x4fs");
}

TEST(IndexPlan, LittleDiskTakesEmbeddingsOfEightBitsAndThenSaysWhatIsMissing) {
  PlanOptions options = CorpusOf(1e10);
  const IndexPlan plan = PlanIndex(options, kRates);
  options.disk_bytes = plan.disk_bytes - 1;
  const IndexPlan int8 = PlanIndex(options, kRates);
  EXPECT_EQ(int8.embeddings, "int8");
  EXPECT_LT(int8.disk_bytes, options.disk_bytes);
  ASSERT_EQ(int8.problems.size(), 1u);  // while it is built
  EXPECT_THAT(int8.problems[0], testing::HasSubstr("while it is built"));
  options.disk_bytes = 1e9;
  EXPECT_THAT(PlanIndex(options, kRates).problems.at(0), testing::HasSubstr("GB more"));
}

TEST(IndexPlan, MoreOfEachThingTakesMore) {
  const IndexPlan plan = PlanIndex(CorpusOf(1e9), kRates);
  const IndexPlan ten = PlanIndex(CorpusOf(1e10), kRates);
  EXPECT_GT(ten.query_ms, plan.query_ms);
  EXPECT_GT(ten.train_hours, plan.train_hours);
  PlanOptions better = CorpusOf(1e9);
  better.recall = 0.99;
  EXPECT_GT(PlanIndex(better, kRates).query_ms, plan.query_ms);
  EXPECT_GT(PlanIndex(better, kRates).nprobe, plan.nprobe);
  PlanOptions from_disk = CorpusOf(1e9);
  from_disk.ram_bytes = 1e9;  // for the index, not for the embeddings
  EXPECT_GT(PlanIndex(from_disk, kRates).query_ms, plan.query_ms);
}

TEST(IndexPlan, RatesAreMeasuredUnlessTheyAreGiven) {
  const auto embedder = MakeHashingEmbedder();
  ThreadPool pool(1);
  const PlanRates rates = MeasureRates(embedder.get(), 32, 64, {.embed_chunks_per_s = 5}, pool);
  EXPECT_EQ(rates.embed_chunks_per_s, 5);
  EXPECT_GT(rates.multiply_adds_per_s, 0);
  EXPECT_GT(rates.code_ns, 0);
  EXPECT_EQ(rates.cores, 1u);
}

TEST(IndexPlan, OptionsThatCannotBeAreRefused) {
  EXPECT_ERROR(PlanIndex(CorpusOf(0), kRates), ErrorCode::kInvalidArgument, "tokens 0");
  PlanOptions options = CorpusOf(1e9);
  options.recall = 1;
  EXPECT_ERROR(PlanIndex(options, kRates), ErrorCode::kInvalidArgument, "recall 1");
  options = CorpusOf(1e9);
  options.dim = 100;
  EXPECT_ERROR(PlanIndex(options, kRates), ErrorCode::kInvalidArgument, "dim 100");
  EXPECT_ERROR(PlanIndex(CorpusOf(1e9), {}), ErrorCode::kInvalidArgument, "rates");
}

}  // namespace
}  // namespace retro
