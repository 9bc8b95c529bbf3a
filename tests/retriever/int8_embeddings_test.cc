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

constexpr int64_t kInt8Dim = 88;  // not a multiple of what is done at once

class Int8EmbeddingsTest : public ::testing::Test {
 protected:
  void Write(uint64_t count) {
    vectors_ = RandomUnitVectors(count, kInt8Dim);
    WriteEmbeddings(dir_ / "half", vectors_, kInt8Dim, 100);
    WriteInt8Embeddings(HalfEmbeddings(dir_ / "half", kInt8Dim), dir_ / "int8");
  }

  TempDir dir_;
  std::vector<float> vectors_;
};

TEST_F(Int8EmbeddingsTest, ARowIsWithinHalfAStepOfWhatItWas) {
  Write(250);
  const Int8Embeddings embeddings(dir_ / "int8", kInt8Dim);
  ASSERT_EQ(embeddings.size(), 250u);
  const std::vector<float> rounded = RoundedToHalf(vectors_);
  std::vector<float> row(kInt8Dim);
  for (uint64_t chunk = 0; chunk < 250; ++chunk) {
    const auto expected = std::span(rounded).subspan(chunk * kInt8Dim, kInt8Dim);
    float largest = 0;
    for (const float value : expected) largest = std::max(largest, std::fabs(value));
    embeddings.Get({chunk}, row);
    for (int64_t i = 0; i < kInt8Dim; ++i) EXPECT_NEAR(row[i], expected[i], 0.501f * largest / 127);
  }
}

TEST_F(Int8EmbeddingsTest, ADistanceIsThatToTheRowAsItIsKept) {
  Write(250);
  const Int8Embeddings embeddings(dir_ / "int8", kInt8Dim);
  const std::vector<float> query = RandomUnitVectors(1, kInt8Dim, 7);
  std::vector<ChunkId> chunks;
  for (uint64_t i = 0; i < 250; ++i) chunks.push_back({(i * 37) % 250});
  std::vector<float> distances(chunks.size()), row(kInt8Dim);
  embeddings.Distances(query, chunks, distances);
  for (size_t i = 0; i < chunks.size(); ++i) {
    embeddings.Get(chunks[i], row);
    double sum = 0;
    for (int64_t j = 0; j < kInt8Dim; ++j) sum += (double{query[j]} - row[j]) * (double{query[j]} - row[j]);
    EXPECT_NEAR(distances[i], sum, 1e-5);
  }
}

TEST_F(Int8EmbeddingsTest, TheProcessorsInstructionsGiveWhatPlainCodeGives) {
  const std::vector<float> query = RandomUnitVectors(1, kInt8Dim, 3);
  std::vector<int8_t> row(kInt8Dim);
  for (int64_t i = 0; i < kInt8Dim; ++i) row[i] = static_cast<int8_t>(i * 29 % 255 - 127);
  for (int64_t dim = 0; dim <= kInt8Dim; ++dim) {
    EXPECT_NEAR(Int8Distance(query.data(), row.data(), 0.003f, dim),
                Int8DistancePortable(query.data(), row.data(), 0.003f, dim), 1e-5)
        << dim;
  }
}

TEST_F(Int8EmbeddingsTest, RerankingLosesAtMostOnePointOfRecall) {
  Write(2000);
  const HalfEmbeddings half(dir_ / "half", kInt8Dim);
  const Int8Embeddings int8(dir_ / "int8", kInt8Dim);
  VectorIndex index(kInt8Dim, "Flat");  // so that nothing but the re-ranking decides
  index.Add(vectors_);
  ThreadPool pool(2);
  const std::vector<float> queries = RandomUnitVectors(200, kInt8Dim, 5);
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
  const std::vector<float> zeros(kInt8Dim);
  std::vector<std::byte> record(kInt8Dim + 4);
  QuantizeRow(zeros, record);
  for (const std::byte byte : record) EXPECT_EQ(byte, std::byte{0});
}

TEST_F(Int8EmbeddingsTest, AnotherDimOrACutFileIsRefused) {
  Write(20);
  EXPECT_ERROR(Int8Embeddings(dir_ / "nothing", kInt8Dim), ErrorCode::kNotFound, "rows");
  EXPECT_ERROR(Int8Embeddings(dir_ / "int8", kInt8Dim + 8), ErrorCode::kCorruption, "rows");
  const std::string bytes = ReadText(dir_ / "int8" / "rows");
  WriteText(dir_ / "int8" / "rows", bytes.substr(0, bytes.size() - 3));
  EXPECT_ERROR(Int8Embeddings(dir_ / "int8", kInt8Dim), ErrorCode::kCorruption, "rows");
}

}  // namespace
}  // namespace retro
