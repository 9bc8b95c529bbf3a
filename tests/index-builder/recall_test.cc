#include "index-builder/recall.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/thread_pool.h"
#include "index-builder/sample.h"
#include "index-builder/vector_stage.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr int64_t kDim = 16;

std::vector<float> RandomRows(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * kDim);
  for (float& value : rows) value = normal(random);
  return rows;
}

class RecallTest : public ::testing::Test {
 protected:
  HalfEmbeddings Write(const std::vector<float>& rows) {
    std::vector<uint16_t> halves(rows.size());
    FloatToHalf(rows, halves);
    RecordFileWriter writer(EmbeddingsBlockPath(folder_.path(), 0), EmbeddingsFormat(kDim));
    writer.Append(std::span<const uint16_t>(halves));
    writer.Finish();
    return HalfEmbeddings(folder_.path(), kDim);
  }

  TempDir folder_;
  ThreadPool pool_{3};
};

TEST_F(RecallTest, TheKthDistanceIsThatOfASortOfAllRows) {
  const HalfEmbeddings embeddings = Write(RandomRows(1500, 1));
  const std::vector<float> queries = RandomRows(37, 2);
  const std::vector<float> kth = ExactKthDistances(embeddings, queries, 10, pool_);
  ASSERT_EQ(kth.size(), 37u);
  std::vector<ChunkId> all;
  for (uint64_t i = 0; i < embeddings.size(); ++i) all.push_back({i});
  std::vector<float> distances(all.size());
  for (size_t query = 0; query < kth.size(); ++query) {
    embeddings.Distances(std::span(queries).subspan(query * kDim, kDim), all, distances);
    std::sort(distances.begin(), distances.end());
    EXPECT_EQ(kth[query], distances[9]);
  }
}

TEST_F(RecallTest, TheCheapestSettingThatReachesTheTargetIsChosen) {
  const HalfEmbeddings embeddings = Write(RandomRows(3000, 1));
  const BuiltIndex built = BuildVectorIndex(embeddings, {.factory = "IVF32,PQ8x4fs"}, pool_);
  const RecallCurve curve = MeasureRecall(built.index, embeddings, RandomRows(50, 2), true, 0.9, pool_);
  EXPECT_GE(curve.chosen.recall, 0.9);
  EXPECT_GT(curve.query_us, 0);
  for (const RecallPoint& point : curve.points) {
    if (point.cost < curve.chosen.cost) {
      EXPECT_LT(point.recall, 0.9) << point.search.nprobe << " " << point.search.rerank_factor;
    }
  }
}

TEST_F(RecallTest, WhenNoSettingReachesTheTargetTheBestIsChosen) {
  const HalfEmbeddings embeddings = Write(RandomRows(3000, 1));
  const BuiltIndex built = BuildVectorIndex(embeddings, {.factory = "IVF32,PQ4x4fs"}, pool_);
  const RecallCurve curve = MeasureRecall(built.index, embeddings, RandomRows(50, 2), false, 0.99, pool_);
  double best = 0;
  for (const RecallPoint& point : curve.points) best = std::max(best, point.recall);
  EXPECT_LT(best, 0.99);
  EXPECT_NEAR(curve.chosen.recall, best, 0.02);
}

TEST_F(RecallTest, AnExactIndexFindsEverything) {
  const HalfEmbeddings embeddings = Write(RandomRows(7, 1));  // fewer than k
  const BuiltIndex built = BuildVectorIndex(embeddings, {.factory = "Flat"}, pool_);
  EXPECT_EQ(MeasureRecall(built.index, embeddings, RandomRows(5, 2), false, 0.95, pool_).chosen.recall, 1);
}

TEST_F(RecallTest, TrainingOnTooFewRowsIsRefusedWithTheNumbers) {
  const HalfEmbeddings embeddings = Write(RandomRows(10, 1));
  EXPECT_ERROR(BuildVectorIndex(embeddings, {.factory = "IVF32,Flat"}, pool_), ErrorCode::kInvalidArgument, "10");
}

TEST_F(RecallTest, TheTrainingSampleIsBoundedByMemory) {
  const HalfEmbeddings embeddings = Write(RandomRows(2000, 1));
  const VectorStageOptions options{.factory = "IVF4,Flat", .memory_bytes = size_t{4} * 500 * kDim * sizeof(uint16_t)};
  EXPECT_EQ(BuildVectorIndex(embeddings, options, pool_).training_vectors, 500u);
}

TEST(Sample, IsWithoutRepetitionAscendingAndTheSameForOneSeed) {
  const auto sample = SampleWithoutReplacement(1000, 100, 5);
  EXPECT_EQ(sample.size(), 100u);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(std::set<uint64_t>(sample.begin(), sample.end()).size(), 100u);
  EXPECT_EQ(sample, SampleWithoutReplacement(1000, 100, 5));
  EXPECT_NE(sample, SampleWithoutReplacement(1000, 100, 6));
  EXPECT_EQ(SampleWithoutReplacement(5, 100, 1).size(), 5u);
  EXPECT_TRUE(SampleWithoutReplacement(0, 3, 1).empty());
}

TEST(Sample, EveryNumberIsTakenEquallyOften) {
  std::vector<int> taken(20);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    for (const uint64_t number : SampleWithoutReplacement(20, 5, seed)) ++taken[number];
  }
  for (const int count : taken) EXPECT_NEAR(count, 1000, 130);
}

}  // namespace
}  // namespace retro
