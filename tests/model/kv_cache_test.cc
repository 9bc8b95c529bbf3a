#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

DecoderConfig SmallConfig() {
  DecoderConfig config;
  config.num_layers = 3;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  config.context_len = 64;
  return config;
}

TEST(KvCache, ANewCacheIsEmpty) {
  const CpuKvCache cache(SmallConfig(), 2, 10);
  EXPECT_EQ(cache.num_sequences(), 2);
  EXPECT_EQ(cache.capacity(), 10);
  EXPECT_EQ(cache.length(0), 0);
  EXPECT_EQ(cache.length(1), 0);
}

TEST(KvCache, SequencesHaveLengthsOfTheirOwn) {
  CpuKvCache cache(SmallConfig(), 2, 10);
  cache.Advance(1, 7);
  EXPECT_EQ(cache.length(0), 0);
  EXPECT_EQ(cache.length(1), 7);
  cache.Truncate(1, 3);
  EXPECT_EQ(cache.length(1), 3);
}

TEST(KvCache, TruncatingToMoreThanThereIsIsRefused) {
  CpuKvCache cache(SmallConfig(), 1, 10);
  cache.Advance(0, 4);
  EXPECT_ERROR(cache.Truncate(0, 5), ErrorCode::kInternal, "of 4 tokens to 5");
  EXPECT_ERROR(cache.Truncate(0, -1), ErrorCode::kInternal, "to -1");
  EXPECT_EQ(cache.length(0), 4);
}

TEST(KvCache, RowsOfALayerAndHeadAreContiguousAndDoNotOverlap) {
  CpuKvCache cache(SmallConfig(), 2, 10);
  std::set<float*> starts;
  for (int sequence = 0; sequence < 2; ++sequence) {
    for (int64_t layer = 0; layer < 3; ++layer) {
      for (int64_t head = 0; head < 2; ++head) {
        for (float* rows : {cache.Keys(sequence, layer, head), cache.Values(sequence, layer, head)}) {
          std::fill_n(rows, 16 * 8, 1.0f);  // the sanitizers see a write past the end
          starts.insert(rows);
        }
      }
    }
  }
  EXPECT_EQ(starts.size(), 2u * 3 * 2 * 2);
  // Within one sequence the slabs follow each other, in whole panels.
  EXPECT_EQ(cache.Keys(0, 0, 1) - cache.Keys(0, 0, 0), 16 * 8);
}

TEST(KvCache, FitsOnlyADecoderOfItsShape) {
  const CpuKvCache cache(SmallConfig(), 1, 10);
  EXPECT_TRUE(cache.Fits(SmallConfig()));
  DecoderConfig other = SmallConfig();
  other.num_kv_heads = 4;
  EXPECT_FALSE(cache.Fits(other));
  other = SmallConfig();
  other.context_len = 9;
  EXPECT_FALSE(cache.Fits(other));
}

}  // namespace
}  // namespace retro
