// Databases that keep their embeddings in 8 bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

IndexOptions Int8(EmbeddingPrecision precision = EmbeddingPrecision::kInt8) {
  IndexOptions options = TestDatabase::Options();
  options.factory = "IVF8,PQ16x4fs";
  options.embedding_precision = precision;
  return options;
}

TEST(Int8Database, TakesHalfTheDiskAndFindsTheSame) {
  UpdatedDatabase test;
  test.BuildFrom(test.folder / "half", NumberedDocuments(0, 60), Int8(EmbeddingPrecision::kHalf));
  test.BuildFrom(test.out(), NumberedDocuments(0, 60), Int8());
  EXPECT_FALSE(fs::exists(test.out() / "embeddings"));
  const auto bytes = [](const fs::path& folder) {
    return IndexStats(folder).at("bytes").at("embeddings").get<double>();
  };
  EXPECT_LT(bytes(test.out()), 0.62 * bytes(test.folder / "half"));  // of 32 values a row
  const SearchOptions all{.k = 5, .nprobe = 8, .rerank_factor = 64};
  const auto half = test.SearchTexts(*test.Open(test.folder / "half"), all), int8 = test.SearchTexts(*test.Open(), all);
  size_t same = 0;
  for (size_t i = 0; i < half.size(); ++i) {
    for (const FoundText& found : int8[i]) {
      const auto other = std::ranges::find(half[i], found.text, &FoundText::text);
      if (other == half[i].end()) continue;
      ++same;
      EXPECT_NEAR(found.distance, other->distance, 0.02f);
    }
  }
  EXPECT_GE(same, half.size() * 5 * 98 / 100);
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool).at("ok").get<bool>());
}

TEST(Int8Database, StaysOneWhenItIsAddedToAndCompacted) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 60), Int8());
  test.Add(NumberedDocuments(60, 5));
  test.Remove({.ids = {"doc/1"}, .sources = {}});
  test.Compact();
  const fs::path part = DatabaseGeneration::Load(test.out()).parts.at(0).folder;
  EXPECT_TRUE(fs::exists(part / "embeddings8/rows"));
  EXPECT_FALSE(fs::exists(part / "embeddings"));
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool).at("ok").get<bool>());
}

TEST(Int8Database, GoesOnAfterAKillAtEachStep) {
  UpdatedDatabase whole;
  whole.BuildFrom(whole.out(), NumberedDocuments(0, 60), Int8());
  for (const std::string step : {"recall", "int8", "manifest"}) {
    UpdatedDatabase test;
    IndexOptions killed = Int8();
    killed.on_step = [&](std::string_view name) {
      if (name == step) throw std::runtime_error("killed");
    };
    EXPECT_THROW(test.BuildFrom(test.out(), NumberedDocuments(0, 60), killed), std::runtime_error);
    test.BuildFrom(test.out(), NumberedDocuments(0, 60), Int8());
    EXPECT_EQ(ReadText(test.out() / "embeddings8/rows"), ReadText(whole.out() / "embeddings8/rows"));
    EXPECT_FALSE(fs::exists(test.out() / "embeddings"));
  }
}

}  // namespace
}  // namespace retro
