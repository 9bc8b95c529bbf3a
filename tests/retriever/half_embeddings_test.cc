#include "retriever/half_embeddings.h"

#include <fstream>
#include <limits>

#include "retriever/half_distance.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr int64_t kHalfDim = 24;

TEST(HalfPrecision, EveryHalfSurvivesTheWayToFloatAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = HalfToFloat(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value))));
    } else {
      EXPECT_EQ(FloatToHalf(value), bits) << value;
    }
  }
}

TEST(HalfPrecision, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(FloatToHalf(1.0f + 0x1p-11f), FloatToHalf(1.0f));                // halfway, down to even
  EXPECT_EQ(FloatToHalf(1.0f + 3 * 0x1p-11f), FloatToHalf(1.0f + 0x1p-9f));  // halfway, up to even
  EXPECT_EQ(FloatToHalf(1.0f + 1.01f * 0x1p-11f), FloatToHalf(1.0f + 0x1p-10f));
  EXPECT_EQ(FloatToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(FloatToHalf(0x1p-24f), 1);
  EXPECT_EQ(FloatToHalf(0x1p-25f), 0);
}

TEST(HalfDistance, AgreesWithThePortableOneForEveryLength) {
  const auto query = RandomUnitVectors(1, 100, 3), row = RandomUnitVectors(1, 100, 4);
  std::vector<uint16_t> halves(row.size());
  FloatToHalf(row, halves);
  for (int64_t dim = 0; dim <= 100; ++dim) {
    EXPECT_NEAR(HalfDistance(query.data(), halves.data(), dim), HalfDistancePortable(query.data(), halves.data(), dim),
                1e-6)
        << dim;
  }
}

class HalfEmbeddingsTest : public testing::Test {
 protected:
  HalfEmbeddingsTest() { WriteEmbeddings(dir_.path(), vectors_, kHalfDim, 7); }

  TempDir dir_;
  std::vector<float> vectors_ = RandomUnitVectors(20, kHalfDim);
};

TEST_F(HalfEmbeddingsTest, RowsGoThroughBlocksInOrder) {
  const HalfEmbeddings embeddings(dir_.path(), kHalfDim);
  ASSERT_EQ(embeddings.size(), 20u);
  const auto rounded = RoundedToHalf(vectors_);
  for (uint64_t row = 0; row < 20; ++row) {
    for (int64_t i = 0; i < kHalfDim; ++i) {
      EXPECT_EQ(HalfToFloat(embeddings.Row(ChunkId{row})[i]), rounded[row * kHalfDim + i]);
    }
  }
}

TEST_F(HalfEmbeddingsTest, DistancesAreThoseOfTheRoundedRows) {
  const HalfEmbeddings embeddings(dir_.path(), kHalfDim);
  const auto query = RandomUnitVectors(1, kHalfDim, 5), rounded = RoundedToHalf(vectors_);
  const std::vector<ChunkId> chunks = {{19}, {0}, {7}, {6}, {13}, {14}, {0}};
  std::vector<float> distances(chunks.size());
  embeddings.Distances(query, chunks, distances);
  for (size_t i = 0; i < chunks.size(); ++i) {
    const auto row = std::span(rounded).subspan(chunks[i].value * kHalfDim, kHalfDim);
    EXPECT_NEAR(distances[i], NearestByBruteForce(row, query, 1)[0].distance, 1e-6);
  }
}

TEST_F(HalfEmbeddingsTest, RefusesAFolderWithoutBlocks) {
  EXPECT_ERROR(HalfEmbeddings(dir_ / "nothing", kHalfDim), ErrorCode::kNotFound, "nothing");
}

TEST_F(HalfEmbeddingsTest, RefusesAnotherDim) {
  EXPECT_ERROR(HalfEmbeddings(dir_.path(), kHalfDim + 1), ErrorCode::kCorruption, "block-00000.embeddings");
}

TEST_F(HalfEmbeddingsTest, RefusesAGapInTheBlocks) {
  std::filesystem::remove(EmbeddingsBlockPath(dir_.path(), 1));
  EXPECT_ERROR(HalfEmbeddings(dir_.path(), kHalfDim), ErrorCode::kCorruption, "block-00001.embeddings");
}

TEST_F(HalfEmbeddingsTest, RefusesATruncatedBlock) {
  const auto path = EmbeddingsBlockPath(dir_.path(), 2);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
  EXPECT_ERROR(HalfEmbeddings(dir_.path(), kHalfDim), ErrorCode::kCorruption, "block-00002.embeddings");
}

}  // namespace
}  // namespace retro
