// Scores of relative positions against the formula in double precision.
#include <gtest/gtest.h>

#include <cmath>

#include "core/thread_pool.h"
#include "model/kernels/relative_positions.h"
#include "tests/model/kernels_testing.h"

namespace retro {
namespace {

class RelativePositionsTest : public testing::Test {
 protected:
  static constexpr int64_t kHeads = 6, kHeadDim = 10, kWidth = 14;

  RelativePositions Make(const DistanceRange& range) {
    const TensorView* views[] = {&weight_.view};
    return RelativePositions(range, PackedMatrix(views, false, WeightPrecision::kAsStored, pool_), bias_, kHeadDim,
                             pool_);
  }

  // (q + bias_h) . (W R(distance))_h
  double Expected(const float* query, int64_t head, double distance) const {
    double sum = 0;
    for (int64_t i = 0; i < kHeadDim; ++i) {
      double position = 0;
      for (int64_t n = 0; n < kWidth; ++n) {
        const double angle = distance / std::pow(10000.0, static_cast<double>(n / 2 * 2) / kWidth);
        position += weights_[(head * kHeadDim + i) * kWidth + n] * (n % 2 == 0 ? std::sin(angle) : std::cos(angle));
      }
      sum += (query[i] + bias_[head * kHeadDim + i]) * position;
    }
    return sum;
  }

  // Heads 2 to 4 of `count` queries from place `first` on, keys from `first_key` on.
  void Check(const DistanceRange& range, int64_t first, int64_t count, int64_t first_key,
             const std::vector<int64_t>& segments) {
    const int64_t stride = 3 * kHeadDim + 2;
    const auto queries = RandomFloats(count * stride, 5);
    int64_t num_keys = 0;
    for (const int64_t len : segments) num_keys += len;
    std::vector<float> scores(count * 3 * num_keys + 1, 9.0f);
    Make(range).Scores({.queries = queries.data(),
                        .query_stride = stride,
                        .num_queries = count,
                        .first_query = first,
                        .first_head = 2,
                        .num_heads = 3,
                        .segment_lens = segments,
                        .first_key = first_key,
                        .scale = 0.25f,
                        .scores = scores.data()});
    const float* next = scores.data();
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t head = 0; head < 3; ++head) {
        for (const int64_t len : segments) {
          for (int64_t j = first_key; j < first_key + len; ++j) {
            const auto distance = static_cast<double>(range.first_distance - (range.num_queries - 1 - first - i + j));
            ASSERT_NEAR(*next++, 0.25 * Expected(&queries[i * stride + head * kHeadDim], 2 + head, distance), 1e-5)
                << "query " << first + i << ", head " << 2 + head << ", key " << j;
          }
        }
      }
    }
    EXPECT_EQ(*next, 9.0f);
  }

  ThreadPool pool_{2};
  const std::vector<float> weights_ = RandomFloats(kHeads * kHeadDim * kWidth, 1, 0.3f);
  const std::vector<float> bias_ = RandomFloats(kHeads * kHeadDim, 2);
  const OwnedTensor weight_ = FloatTensor(kHeads * kHeadDim, kWidth, weights_);
};

TEST_F(RelativePositionsTest, EveryQueryOfAChunkAtOnce) { Check({14, 8, 19}, 0, 8, 0, {19, 19}); }

TEST_F(RelativePositionsTest, OneQueryAnywhereInTheChunk) {
  for (const int64_t place : {0, 3, 7}) Check({14, 8, 40}, place, 1, 0, {40, 1, 17});
}

TEST_F(RelativePositionsTest, KeysThatBeginLater) { Check({18, 19, 8}, 4, 9, 5, {3}); }

TEST_F(RelativePositionsTest, OneDistanceOnly) { Check({0, 1, 1}, 0, 1, 0, {1, 1, 1}); }

}  // namespace
}  // namespace retro
