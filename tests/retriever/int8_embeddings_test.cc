#include "retriever/int8_embeddings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "core/thread_pool.h"
#include "retriever/reranked_search.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr int64_t kDim = 88;  // not a multiple of what is done at once

class Int8EmbeddingsTest : public ::testing::Test {
 protected:
  void Write(uint64_t count) {
    vectors_ = RandomUnitVectors(count, kDim);
    WriteEmbeddings(dir_ / "half", vectors_, kDim, 100);
    WriteInt8Embeddings(HalfEmbeddings(dir_ / "half", kDim), dir_ / "int8");
  }

  TempDir dir_;
  std::vector<float> vectors_;
};

TEST_F(Int8EmbeddingsTest, ARowIsWithinHalfAStepOfWhatItWas) {
  Write(250);
  const Int8Embeddings embeddings(dir_ / "int8", kDim);
  ASSERT_EQ(embeddings.size(), 250u);
  const std::vector<float> rounded = RoundedToHalf(vectors_);
  std::vector<float> row(kDim);
  for (uint64_t chunk = 0; chunk < 250; ++chunk) {
    const auto expected = std::span(rounded).subspan(chunk * kDim, kDim);
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::fabs(value));
    embeddings.Get({chunk}, row);
    for (int64_t i = 0; i < kDim; ++i) EXPECT_NEAR(row[i], expected[i], 0.501f * largest / 127);
  }
}

TEST_F(Int8EmbeddingsTest, ADistanceIsThatToTheRowAsItIsKept) {
  Write(250);
  const Int8Embeddings embeddings(dir_ / "int8", kDim);
  const std::vector<float> query = RandomUnitVectors(1, kDim, 7);
  std::vector<ChunkId> chunks;
  for (uint64_t i = 0; i < 250; ++i) chunks.push_back({(i * 37) % 250});
  std::vector<float> distances(chunks.size()), row(kDim);
  embeddings.Distances(query, chunks, distances);
  for (size_t i = 0; i < chunks.size(); ++i) {
    embeddings.Get(chunks[i], row);
    double sum = 0;
    for (int64_t j = 0; j < kDim; ++j) sum += (double{query[j]} - row[j]) * (double{query[j]} - row[j]);
    EXPECT_NEAR(distances[i], sum, 1e-5);
  }
}

TEST_F(Int8EmbeddingsTest, TheProcessorsInstructionsGiveWhatPlainCodeGives) {
  const std::vector<float> query = RandomUnitVectors(1, kDim, 3);
  std::vector<int8_t> row(kDim);
  for (int64_t i = 0; i < kDim; ++i) row[i] = static_cast<int8_t>(i * 29 % 255 - 127);
  for (int64_t dim = 0; dim <= kDim; ++dim) {
    EXPECT_NEAR(Int8Distance(query.data(), row.data(), 0.003f, dim),
                Int8DistancePortable(query.data(), row.data(), 0.003f, dim), 1e-5)
        << dim;
  }
}

TEST_F(Int8EmbeddingsTest, RerankingLosesAtMostOnePointOfRecall) {
  Write(2000);
  const HalfEmbeddings half(dir_ / "half", kDim);
  const Int8Embeddings int8(dir_ / "int8", kDim);
  VectorIndex index(kDim, "Flat");  // so that nothing but the re-ranking decides
  index.Add(vectors_);
  ThreadPool pool(2);
  const std::vector<float> queries = RandomUnitVectors(200, kDim, 5);
  const SearchOptions options{.k = 10, .rerank_factor = 20};
  const auto exact = SearchReranked(index, &half, queries, options, pool);
  const auto found = SearchReranked(index, &int8, queries, options, pool);
  size_t hits = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const std::vector<uint64_t> ids = Ids(exact[i]);
    const std::set<uint64_t> expected(ids.begin(), ids.end());
    for (const uint64_t id : Ids(found[i])) hits += expected.contains(id);
  }
  EXPECT_GE(static_cast<double>(hits) / 2000, 0.99);
}

TEST_F(Int8EmbeddingsTest, ARowOfZerosStaysOne) {
  const std::vector<float> zeros(kDim);
  std::vector<std::byte> record(kDim + 4);
  QuantizeRow(zeros, record);
  for (const std::byte byte : record) EXPECT_EQ(byte, std::byte{0});
}

TEST_F(Int8EmbeddingsTest, AnotherDimOrACutFileIsRefused) {
  Write(20);
  EXPECT_ERROR(Int8Embeddings(dir_ / "nothing", kDim), ErrorCode::kNotFound, "rows");
  EXPECT_ERROR(Int8Embeddings(dir_ / "int8", kDim + 8), ErrorCode::kCorruption, "rows");
  const std::string bytes = ReadText(dir_ / "int8" / "rows");
  WriteText(dir_ / "int8" / "rows", bytes.substr(0, bytes.size() - 3));
  EXPECT_ERROR(Int8Embeddings(dir_ / "int8", kDim), ErrorCode::kCorruption, "rows");
}

}  // namespace
}  // namespace retro
