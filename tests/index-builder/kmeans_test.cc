#include "index-builder/kmeans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>

#include "core/progress.h"
#include "core/thread_pool.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/thread_ranks.h"

namespace retro {
namespace {

constexpr size_t kClusteredDim = 12;
constexpr uint64_t kRows = 1000, kBlockRows = 64, kLists = 20;

// Multiples of 2^-10, as values in half precision near 1 are.
std::vector<float> Rows(uint64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> rows(count * kClusteredDim);
  for (float& value : rows) value = std::round(normal(random) * 1024) / 1024;
  return rows;
}

class KMeansTest : public testing::Test {
 protected:
  KMeansTest() { Progress::SetEnabled(false); }

  KMeansSample Sample() const {
    const uint64_t count = rows_.size() / kClusteredDim;
    return {.num_rows = count,
            .num_blocks = (count + kBlockRows - 1) / kBlockRows,
            .dim = kClusteredDim,
            .rows = [this](uint64_t block) {
              const size_t begin = block * kBlockRows * kClusteredDim;
              return std::vector(rows_.begin() + begin,
                                 rows_.begin() + std::min(rows_.size(), begin + kBlockRows * kClusteredDim));
            }};
  }

  std::vector<float> First() const { return {rows_.begin(), rows_.begin() + kLists * kClusteredDim}; }

  std::vector<float> Run(int iterations, size_t threads = 1) {
    ThreadPool pool(threads);
    SingleProcess alone;
    return KMeans(Sample(), First(), iterations, pool, alone);
  }

  double SquaredDistance(size_t row, std::span<const double> centroids, size_t list) const {
    double sum = 0;
    for (size_t i = 0; i < kClusteredDim; ++i) {
      const double difference = rows_[row * kClusteredDim + i] - centroids[list * kClusteredDim + i];
      sum += difference * difference;
    }
    return sum;
  }

  // The list of each row, by the definition.
  size_t Nearest(size_t row, std::span<const double> centroids) const {
    size_t nearest = 0;
    for (size_t list = 1; list < centroids.size() / kClusteredDim; ++list) {
      if (SquaredDistance(row, centroids, list) < SquaredDistance(row, centroids, nearest)) nearest = list;
    }
    return nearest;
  }

  double Objective(const std::vector<float>& centroids) const {
    const std::vector<double> exact(centroids.begin(), centroids.end());
    double sum = 0;
    for (size_t row = 0; row < rows_.size() / kClusteredDim; ++row)
      sum += SquaredDistance(row, exact, Nearest(row, exact));
    return sum;
  }

  std::vector<float> rows_ = Rows(kRows, 1);
};

TEST_F(KMeansTest, AgreesWithLloydsAlgorithmInDoublePrecision) {
  std::vector<double> centroids(rows_.begin(), rows_.begin() + kLists * kClusteredDim);
  for (int iteration = 0; iteration < 4; ++iteration) {
    std::vector<double> sums(centroids.size()), counts(kLists);
    for (size_t row = 0; row < kRows; ++row) {
      const size_t list = Nearest(row, centroids);
      for (size_t i = 0; i < kClusteredDim; ++i) sums[list * kClusteredDim + i] += rows_[row * kClusteredDim + i];
      ++counts[list];
    }
    for (size_t i = 0; i < sums.size(); ++i) {
      ASSERT_GT(counts[i / kClusteredDim], 0);
      centroids[i] = sums[i] / counts[i / kClusteredDim];
    }
  }
  const std::vector<float> found = Run(4);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], centroids[i], 1e-6) << i;
}

TEST_F(KMeansTest, AnyNumberOfThreadsAndRanksFindsTheSameBits) {
  const std::vector<float> expected = Run(5);
  EXPECT_EQ(Run(5, 4), expected);
  for (const int num_ranks : {2, 3, 20}) {  // of 20 some have no block
    ThreadRanks(num_ranks).Run([&](Communicator& ranks) {
      ThreadPool pool(1);
      EXPECT_EQ(KMeans(Sample(), First(), 5, pool, ranks), expected) << num_ranks;
    });
  }
}

TEST_F(KMeansTest, EachIterationBringsTheRowsNearerToTheirCentroids) {
  double before = Objective(First());
  for (int iterations = 1; iterations < 6; ++iterations) {
    const double after = Objective(Run(iterations));
    EXPECT_LT(after, before * (1 + 1e-6)) << iterations;
    before = after;
  }
}

TEST_F(KMeansTest, AListWithoutARowTakesHalfOfTheLargest) {
  rows_.clear();
  for (int i = 0; i < 60; ++i) rows_.insert(rows_.end(), kClusteredDim, i < 50 ? 1 + i % 2 * 0.25f : -4);
  std::vector<float> first(3 * kClusteredDim);
  std::fill_n(first.begin(), kClusteredDim, 1.0f);
  std::fill_n(first.begin() + kClusteredDim, kClusteredDim, -4.0f);
  std::fill_n(first.begin() + 2 * kClusteredDim, kClusteredDim, 100.0f);  // nearest to nobody
  ThreadPool pool(2);
  SingleProcess alone;
  const std::vector<float> found = KMeans(Sample(), first, 1, pool, alone);
  for (size_t i = 0; i < kClusteredDim; ++i) {
    EXPECT_EQ(found[kClusteredDim + i], -4);
    EXPECT_NE(found[i], found[2 * kClusteredDim + i]);
    EXPECT_NEAR(found[i], 1.125, 0.002);
    EXPECT_NEAR(found[2 * kClusteredDim + i], 1.125, 0.002);
  }
}

TEST_F(KMeansTest, FewerDifferentRowsThanListsLeaveSomeListsEmpty) {
  for (size_t i = kClusteredDim; i < rows_.size(); ++i) rows_[i] = rows_[i % kClusteredDim];
  const std::vector<float> found = Run(3);
  for (const float value : found) EXPECT_TRUE(std::isfinite(value));
}

TEST_F(KMeansTest, ValuesThatCannotBeSummedAreRefused) {
  rows_[5] = std::numeric_limits<float>::infinity();
  EXPECT_ERROR(Run(1), ErrorCode::kInvalidArgument, "has the value inf");
  rows_[5] = 0x1p30f;  // 1000 of these are 2^40
  EXPECT_ERROR(Run(1), ErrorCode::kInvalidArgument, "must be finite and below");
}

}  // namespace
}  // namespace retro
