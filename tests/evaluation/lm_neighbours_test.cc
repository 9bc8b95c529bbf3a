#include "evaluation/lm_neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/interrupt.h"
#include "tests/evaluation/lm_testing.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/small_database.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr uint32_t kSearchedChunkLen = 16;

std::string RandomText(std::mt19937& random, int words) {
  std::string text;
  for (int word = 0; word < words; ++word) {
    for (int i = 0; i < 4; ++i) text += static_cast<char>('a' + random() % 26);
    text += ' ';
  }
  return text;
}

class FindLmNeighboursTest : public testing::Test {
 protected:
  void Open(const std::vector<SmallDocument>& documents) {
    WriteSmallDatabase(dir_ / "db", documents, kSearchedChunkLen);
    database_ = OpenSmallDatabase(dir_ / "db");
  }
  LmNeighbours Find(const LmDocument& document, LmNeighbourOptions options = {}) {
    return FindLmNeighbours(*database_, {&document, 1}, options, pool_);
  }
  std::string TextOf(ChunkId chunk) {
    const ByteTokenizer tokenizer;
    return tokenizer.Decode(database_->chunks().Get(chunk).tokens);
  }

  TempDir dir_;
  ThreadPool pool_{2};
  std::unique_ptr<RetrievalDatabase> database_;
};

TEST_F(FindLmNeighboursTest, OverlapIsTheLongestRunSharedWithANeighbourOrItsContinuation) {
  Open({{"near", "the otter sleeps in the river and holds hands"}, {"far", "zzzzzzzzzzzzzzzzzzzz"}});
  // Chunk 0 (15 bytes, since the prefix takes a place): "the otter sleep" is all there. Chunk 1: "s in XX river QQ" has
  // " river " of its 16 bytes, and it is in the continuation of some chunk.
  const LmDocument document = MakeLmDocument("held out", "the otter sleeps in XX river QQ", kSearchedChunkLen);
  const LmNeighbours found = Find(document);
  ASSERT_EQ(found.findings[0].size(), 2u);
  EXPECT_EQ(found.findings[0][0].overlap, 1.0);
  EXPECT_EQ(found.findings[0][1].overlap, 7.0 / 16);
}

TEST_F(FindLmNeighboursTest, AShortLastChunkIsMeasuredByItsOwnLength) {
  Open({{"a", "0123456789abcdefghij"}});
  const LmDocument document = MakeLmDocument("x", "...............012X", kSearchedChunkLen);
  const LmNeighbours found = Find(document);
  EXPECT_EQ(found.findings[0][1].overlap, 3.0 / 4);
}

TEST_F(FindLmNeighboursTest, NeighboursAreNearestFirstAndNeverOfTheDocumentItself) {
  Open({{"self", "the otter sleeps in the river"}, {"twin", "the otter sleeps on a stone"}, {"far", "qqqq wwww eeee"}});
  const LmDocument document = MakeLmDocument("self", "the otter sleeps in the river", kSearchedChunkLen);
  const LmNeighbours found = Find(document, {.num_neighbours = 2});
  const auto& nearest = found.findings[0][0].by_fraction[0];
  ASSERT_EQ(nearest.size(), 2u);
  EXPECT_EQ(TextOf(nearest[0].chunk), "the otter sleeps");
  EXPECT_EQ(nearest[0].document, DocumentHash("twin"));
  for (const ChunkFindings& findings : found.findings[0]) {
    for (const FoundChunk& chunk : findings.by_fraction[0]) EXPECT_NE(chunk.document, DocumentHash("self"));
  }
  EXPECT_EQ(found.documents_met, 1u);
  EXPECT_EQ(found.findings[0][1].overlap, 1.0);  // what is in the database is known, its own document included
}

TEST_F(FindLmNeighboursTest, ChunksWithTooFewNeighboursAreCounted) {
  Open({{"self", "the otter sleeps"}, {"other", "one more chunk"}});
  const LmNeighbours found = Find(MakeLmDocument("self", "the otter", kSearchedChunkLen), {.num_neighbours = 2});
  EXPECT_EQ(found.findings[0][0].by_fraction[0].size(), 1u);
  EXPECT_EQ(found.num_short, (std::vector<uint64_t>{1}));
}

// The lemma that the sweep rests on: dropping documents from what was found is searching the smaller database.
TEST_F(FindLmNeighboursTest, AFractionFindsWhatADatabaseOfItsDocumentsFinds) {
  std::mt19937 random(3);
  std::vector<SmallDocument> documents;
  for (int i = 0; i < 60; ++i) documents.push_back({"doc" + std::to_string(i), RandomText(random, 8)});
  Open(documents);
  const LmDocument query = MakeLmDocument("query", RandomText(random, 40), kSearchedChunkLen);
  const LmNeighbourOptions options{.fractions = {0.3, 1.0}, .num_neighbours = 3, .num_candidates = 1000};
  const LmNeighbours found = Find(query, options);
  std::set<uint64_t> kept;
  const LmNeighbours all = Find(query, {.fractions = {0.3}, .num_neighbours = 1000});
  for (const ChunkFindings& findings : all.findings[0]) {
    for (const FoundChunk& chunk : findings.by_fraction[0]) kept.insert(chunk.document);
  }
  EXPECT_GT(kept.size(), 8u);
  EXPECT_LT(kept.size(), 30u);
  std::vector<SmallDocument> smaller;
  for (const SmallDocument& document : documents) {
    if (kept.contains(DocumentHash(document.id))) smaller.push_back(document);
  }
  WriteSmallDatabase(dir_ / "smaller", smaller, kSearchedChunkLen);
  const auto database = OpenSmallDatabase(dir_ / "smaller");
  const LmNeighbours direct = FindLmNeighbours(*database, {&query, 1}, {.num_neighbours = 3}, pool_);
  for (size_t u = 0; u < query.num_chunks(); ++u) {
    const auto& subsampled = found.findings[0][u].by_fraction[0];
    const auto& searched = direct.findings[0][u].by_fraction[0];
    ASSERT_EQ(subsampled.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(database->chunks().Get(searched[i].chunk).tokens, database_->chunks().Get(subsampled[i].chunk).tokens);
    }
  }
}

TEST_F(FindLmNeighboursTest, SmallerFractionsLieWithinLargerOnesAndDependOnTheSeed) {
  std::mt19937 random(4);
  std::vector<SmallDocument> documents;
  for (int i = 0; i < 80; ++i) documents.push_back({"doc" + std::to_string(i), RandomText(random, 2)});
  Open(documents);
  const LmDocument query = MakeLmDocument("query", "some text of it", kSearchedChunkLen);
  const auto all = [&](uint64_t seed) {
    const LmNeighbours found = Find(query, {.fractions = {0.2, 0.6, 1.0}, .num_neighbours = 200, .seed = seed});
    std::vector<std::set<uint64_t>> sets;
    for (const auto& chunks : found.findings[0][0].by_fraction) {
      std::set<uint64_t>& documents_of = sets.emplace_back();
      for (const FoundChunk& chunk : chunks) documents_of.insert(chunk.document);
    }
    return sets;
  };
  const auto sets = all(0);
  EXPECT_TRUE(std::includes(sets[1].begin(), sets[1].end(), sets[0].begin(), sets[0].end()));
  EXPECT_EQ(sets[2].size(), 80u);
  EXPECT_NEAR(static_cast<double>(sets[1].size()), 48, 14);
  EXPECT_NEAR(static_cast<double>(sets[0].size()), 16, 11);
  EXPECT_NE(sets[0], all(1)[0]);
}

TEST_F(FindLmNeighboursTest, RefusesFractionsThatCannotBeAndStopsWhenInterrupted) {
  Open({{"a", "text"}});
  const LmDocument query = MakeLmDocument("query", "text", kSearchedChunkLen);
  EXPECT_ERROR(Find(query, {.fractions = {0.0}}), ErrorCode::kInvalidArgument, "fraction is 0");
  EXPECT_ERROR(Find(query, {.fractions = {1.5}}), ErrorCode::kInvalidArgument, "fraction is 1.5");
  SetInterrupted(true);
  EXPECT_ERROR(Find(query), ErrorCode::kUnavailable, "");
  SetInterrupted(false);
}

TEST_F(FindLmNeighboursTest, ADatabaseOfAnotherEmbedderOrChunkLengthIsRefused) {
  Open({{"a", "text"}});
  RetroConfig retro;
  retro.chunk_len = kSearchedChunkLen;
  RequireDatabaseOf("m", retro, *database_);
  retro.embedder = database_->manifest().fingerprints.at("embedder");
  RequireDatabaseOf("m", retro, *database_);
  retro.embedder = "another";
  EXPECT_ERROR(RequireDatabaseOf("m", retro, *database_), ErrorCode::kInvalidArgument, "its fingerprint is another");
  retro.chunk_len = 64;
  EXPECT_ERROR(RequireDatabaseOf("m", retro, *database_), ErrorCode::kInvalidArgument, "m has chunks of 64 tokens");
}

TEST(ChooseCandidates, AreMoreForSmallerFractionsAndForMoreNeighbours) {
  EXPECT_GE(ChooseCandidates(2, 1), 10);
  EXPECT_GE(ChooseCandidates(2, 0.1), 100);
  EXPECT_GT(ChooseCandidates(8, 0.1), ChooseCandidates(2, 0.1));
}

}  // namespace
}  // namespace retro
