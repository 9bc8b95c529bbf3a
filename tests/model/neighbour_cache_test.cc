#include "model/neighbour_cache.h"

#include <gtest/gtest.h>

#include "tests/testing/retro_checkpoint.h"

namespace retro {
namespace {

// "end of the chunk: first position to last" for positions [begin, end) of a cache with chunks of 8 tokens.
std::vector<std::vector<int64_t>> Attending(NeighbourCache& cache, int64_t begin, int64_t end) {
  std::vector<NeighbourCache::Attending> attending;
  cache.AppendAttending(begin, end, attending);
  std::vector<std::vector<int64_t>> spans;
  for (const auto& [chunk, first, last] : attending) spans.push_back({chunk->end, first, last});
  return spans;
}

class NeighbourCacheTest : public testing::Test {
 protected:
  NeighbourCacheTest() {
    for (const int64_t end : {5, 13, 16, 40}) cache_.Set(end, {{1, 2}});
  }

  static DecoderConfig Config() {
    DecoderConfig config;
    config.hidden_dim = 6;
    config.retro = SmallRetroConfig();
    return config;
  }

  NeighbourCache cache_{Config(), 64};
  using Spans = std::vector<std::vector<int64_t>>;
};

TEST_F(NeighbourCacheTest, AChunkActsFromItsLastTokenToTheNextOne) {
  EXPECT_EQ(Attending(cache_, 0, 20), Spans({{5, 4, 12}, {13, 12, 15}, {16, 15, 20}}));
  EXPECT_EQ(Attending(cache_, 4, 5), Spans({{5, 4, 5}}));
  EXPECT_EQ(Attending(cache_, 14, 15), Spans({{13, 14, 15}}));
  EXPECT_EQ(Attending(cache_, 11, 13), Spans({{5, 11, 12}, {13, 12, 13}}));
}

TEST_F(NeighbourCacheTest, BeforeTheFirstChunkNothingActs) { EXPECT_EQ(Attending(cache_, 0, 4), Spans({})); }

TEST_F(NeighbourCacheTest, AChunkActsForAsManyPositionsAsItIsLong) {
  EXPECT_EQ(Attending(cache_, 15, 39), Spans({{16, 15, 23}}));
  EXPECT_EQ(Attending(cache_, 23, 39), Spans({}));
  EXPECT_EQ(Attending(cache_, 22, 41), Spans({{16, 22, 23}, {40, 39, 41}}));
}

TEST_F(NeighbourCacheTest, AChunkWithoutNeighboursEndsTheOneBefore) {
  cache_.Set(9, {{}, {}});
  EXPECT_EQ(Attending(cache_, 0, 14), Spans({{5, 4, 8}, {13, 12, 14}}));
}

TEST_F(NeighbourCacheTest, TruncationForgetsChunksThatEndLater) {
  cache_.Truncate(13);
  EXPECT_EQ(Attending(cache_, 0, 48), Spans({{5, 4, 12}, {13, 12, 20}}));
}

TEST_F(NeighbourCacheTest, EmptyNeighboursAreLeftOut) {
  cache_.Set(20, {{}, {3}, {}});
  std::vector<NeighbourCache::Attending> attending;
  cache_.AppendAttending(19, 20, attending);
  ASSERT_EQ(attending.size(), 1u);
  EXPECT_EQ(attending[0].chunk->neighbours, ChunkNeighbours({{3}}));
}

}  // namespace
}  // namespace retro
