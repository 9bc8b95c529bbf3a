#include "index-builder/neighbour_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "datasets/token_overlap.h"
#include "tests/index-builder/test_neighbours.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

double SquaredDistance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

TEST(NeighbourBuilder, FindsTheNearestChunksOfOtherDocumentsAsBruteForceDoes) {
  TestNeighbours test;
  test.BuildTable(test.Everything());
  const NeighbourTable table(test.table());
  const FlatCorpus corpus(test.corpus());
  std::vector<std::vector<double>> embeddings;
  for (uint64_t id = 0; id < test.database->chunks().num_chunks(); ++id) {
    embeddings.push_back(test.StoredEmbedding(id));
  }
  ASSERT_EQ(table.num_rows(), (corpus.tokens.size() - 1) / 64 * 4);
  for (uint64_t row = 0; row < table.num_rows(); ++row) {
    const auto forbidden = corpus.DocumentsOfSequence(row / 4, 64);
    const std::vector<double> query = test.EmbeddingOf(corpus.Chunk(row));
    std::vector<double> distances;
    for (uint64_t id = 0; id < embeddings.size(); ++id) {
      if (!forbidden.contains(test.DocumentOf(id))) distances.push_back(SquaredDistance(query, embeddings[id]));
    }
    std::ranges::sort(distances);
    for (size_t j = 0; j < 3; ++j) {
      const uint64_t id = table.Row(row)[j];
      ASSERT_LT(id, embeddings.size());
      EXPECT_NEAR(table.Distances(row)[j], distances[j], 1e-5) << "row " << row;
      EXPECT_NEAR(SquaredDistance(query, embeddings[id]), distances[j], 1e-5) << "row " << row;
      EXPECT_FALSE(forbidden.contains(test.DocumentOf(id))) << "row " << row;
    }
    EXPECT_EQ((std::set<uint64_t>(table.Row(row).begin(), table.Row(row).end()).size()), 3u);
  }
}

// The rules as they are written down, on the candidates that the table kept.
struct PlainChoice {
  std::vector<uint64_t> ids;
  uint64_t same_document = 0, next_overlap = 0, row_overlap = 0;
};

PlainChoice Choose(const TestNeighbours& test, const FlatCorpus& corpus, uint64_t row, const NeighbourOptions& options,
                   std::span<const uint64_t> candidates) {
  PlainChoice choice;
  const auto forbidden = corpus.DocumentsOfSequence(row * kTestChunkLen / options.seq_len, options.seq_len);
  std::vector<std::vector<TokenId>> chosen;
  std::vector<uint64_t> allowed;
  for (const uint64_t id : candidates) {
    if (id == kNoChunk) continue;
    const bool same = forbidden.contains(test.DocumentOf(id));
    choice.same_document += same;
    if (!same) allowed.push_back(id);
  }
  for (const uint64_t id : allowed) {
    if (choice.ids.size() == options.selection.k) break;
    const std::vector<TokenId> tokens = test.Neighbour(id);
    const std::vector<TokenId> alone(tokens.begin(), tokens.begin() + std::min<size_t>(kTestChunkLen, tokens.size()));
    const double next = LongestCommonSubstring(corpus.Chunk(row + 1), tokens) / double{kTestChunkLen};
    if (next > options.selection.max_next_overlap) {
      ++choice.next_overlap;
      continue;
    }
    if (std::ranges::any_of(chosen, [&](const auto& other) {
          return LongestCommonSubstring(alone, other) > options.selection.max_row_overlap * double(alone.size());
        })) {
      ++choice.row_overlap;
      continue;
    }
    choice.ids.push_back(id);
    chosen.push_back(tokens);
  }
  choice.ids.resize(options.selection.k, kNoChunk);
  return choice;
}

TEST(NeighbourBuilder, EveryRuleDropsWhatItSaysAndIsCounted) {
  TestNeighbours test;
  const FlatCorpus corpus(test.corpus());
  for (const auto& [next, in_row] : {std::pair{1.0, 1.0}, {0.5, 1.0}, {1.0, 0.5}, {0.4, 0.3}, {0.0, 0.0}}) {
    NeighbourOptions options = test.Few();
    options.selection.max_next_overlap = next;
    options.selection.max_row_overlap = in_row;
    const Manifest manifest = test.BuildTable(options);
    const NeighbourTable table(test.table());
    const CandidateBlocks candidates(test.table() / "candidates", (corpus.tokens.size() - 1) / 16, options.search);
    PlainChoice sum;
    for (uint64_t row = 0; row < table.num_rows(); ++row) {
      const PlainChoice choice = Choose(test, corpus, row, options, candidates.Ids(row));
      EXPECT_THAT(table.Row(row), testing::ElementsAreArray(choice.ids)) << "row " << row << " at " << next;
      sum.same_document += choice.same_document;
      sum.next_overlap += choice.next_overlap;
      sum.row_overlap += choice.row_overlap;
    }
    const nlohmann::json& dropped = manifest.counts["dropped"];
    EXPECT_GT(sum.same_document, 0u);
    EXPECT_EQ(dropped["same_document"], sum.same_document);
    EXPECT_EQ(sum.next_overlap > 0, next < 1);
    EXPECT_EQ(dropped["next_overlap"], sum.next_overlap);
    EXPECT_EQ(sum.row_overlap > 0, in_row < 1);
    EXPECT_EQ(dropped["row_overlap"], sum.row_overlap);
  }
}

TEST(NeighbourBuilder, CountsAreThoseOfTheRows) {
  TestNeighbours test;
  NeighbourOptions options = test.Few();
  options.selection.max_next_overlap = 0.3;
  options.selection.max_row_overlap = 0.3;
  const nlohmann::json counts = test.BuildTable(options).counts;
  const NeighbourTable table(test.table());
  const FlatCorpus corpus(test.corpus());
  uint64_t neighbours = 0, short_rows = 0, empty_rows = 0, short_neighbours = 0;
  double distances = 0;
  std::vector<uint64_t> overlaps(8);
  for (uint64_t row = 0; row < table.num_rows(); ++row) {
    const auto present = std::ranges::count_if(table.Row(row), [](uint64_t id) { return id != kNoChunk; });
    neighbours += present, short_rows += present < 3, empty_rows += present == 0;
    for (int64_t j = 0; j < present; ++j) {
      const std::vector<TokenId> tokens = test.Neighbour(table.Row(row)[j]);
      short_neighbours += tokens.size() < 32;
      distances += table.Distances(row)[j];
      const double share = LongestCommonSubstring(corpus.Chunk(row + 1), tokens) / 16.0;
      ++overlaps[share == 0 ? 0 : static_cast<size_t>(std::ceil(share * 8)) - 1];
    }
    for (int64_t j = present; j < 3; ++j) EXPECT_EQ(table.Distances(row)[j], kNoDistance);
  }
  EXPECT_GT(short_rows, 0u);
  EXPECT_GT(short_neighbours, 0u);
  EXPECT_EQ(counts["rows"], table.num_rows());
  EXPECT_EQ(counts["sequences"], table.num_rows() / 4);
  EXPECT_EQ(counts["candidates"], table.num_rows() * 20);
  EXPECT_EQ(counts["neighbours"], neighbours);
  EXPECT_EQ(counts["short_rows"], short_rows);
  EXPECT_EQ(counts["empty_rows"], empty_rows);
  EXPECT_EQ(counts["short_neighbours"], short_neighbours);
  EXPECT_EQ(counts["next_overlap"], nlohmann::json(overlaps));
  EXPECT_NEAR(counts["mean_distance"], distances / static_cast<double>(neighbours), 1e-9);
}

TEST(NeighbourBuilder, Bm25OffersTheCandidatesByTheWordsThatTheyShare) {
  TestNeighbours test;
  NeighbourOptions options = test.Everything();
  options.selection.order = NeighbourOrder::kBm25;
  test.BuildTable(options);
  const NeighbourTable table(test.table());
  const FlatCorpus corpus(test.corpus());
  TermStatistics terms(257);
  const uint64_t num_chunks = test.database->chunks().num_chunks();
  for (uint64_t id = 0; id < num_chunks; ++id) terms.Add(test.Neighbour(id));
  for (uint64_t row = 0; row < table.num_rows(); row += 7) {
    const auto forbidden = corpus.DocumentsOfSequence(row / 4, 64);
    const std::vector<TokenId> chunk = corpus.Chunk(row);
    const Bm25Query query(chunk, terms);
    std::vector<double> scores;
    for (uint64_t id = 0; id < num_chunks; ++id) {
      if (!forbidden.contains(test.DocumentOf(id))) scores.push_back(query.Score(test.Neighbour(id)));
    }
    std::ranges::sort(scores, std::greater<>());
    for (size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(query.Score(test.Neighbour(table.Row(row)[j])), scores[j], 1e-9) << "row " << row;
      const std::vector<double> stored = test.StoredEmbedding(table.Row(row)[j]);
      EXPECT_NEAR(table.Distances(row)[j], SquaredDistance(test.EmbeddingOf(chunk), stored), 1e-5);
    }
  }
}

TEST(NeighbourBuilder, ADatabaseOfAnotherCorpusIsFilteredByTheIdsOfItsDocuments) {
  TestNeighbours test;
  // Other texts and another order, and ids of which some are those of the corpus.
  std::string other = RandomDocuments(30, 30) + SharedDocuments(5, "other/");
  test.MakeCorpus("other", other);
  test.OpenDatabase(test.folder / "other", TestDatabase::Options());
  const Manifest manifest = test.BuildTable(test.Everything());
  EXPECT_GT(manifest.counts["dropped"]["same_document"], 0);
  const NeighbourTable table(test.table());
  const FlatCorpus corpus(test.corpus());
  uint64_t from_shared_ids = 0;
  for (uint64_t row = 0; row < table.num_rows(); ++row) {
    const auto forbidden = corpus.DocumentsOfSequence(row / 4, 64);
    for (const uint64_t id : table.Row(row)) {
      EXPECT_FALSE(forbidden.contains(test.DocumentOf(id)));
      from_shared_ids += test.DocumentOf(id).starts_with("doc/");
    }
  }
  EXPECT_GT(from_shared_ids, 0u);  // those of other sequences are welcome
}

TEST(NeighbourBuilder, WhereEveryCandidateIsOfTheSequencesDocumentAllNeighboursAreMissing) {
  TestNeighbours test(SharedDocuments(1) + SharedDocuments(1, "short/"));
  test.MakeCorpus("corpus", R"({"id": "doc/0", "text": ")" + std::string(500, 'x') + "\"}\n");
  test.MakeCorpus("other", R"({"id": "doc/0", "text": "quite another text of the same name"})");
  test.OpenDatabase(test.folder / "other", TestDatabase::Options());
  const nlohmann::json counts = test.BuildTable(test.Everything()).counts;
  const NeighbourTable table(test.table());
  ASSERT_EQ(table.num_rows(), 28u);
  for (uint64_t row = 0; row < table.num_rows(); ++row) EXPECT_THAT(table.Row(row), testing::Each(kNoChunk));
  EXPECT_EQ(counts["empty_rows"], 28);
  EXPECT_EQ(counts["neighbours"], 0);
  EXPECT_EQ(counts["mean_distance"], 0);
  EXPECT_EQ(counts["dropped"]["same_document"], counts["candidates"]);
}

TEST(NeighbourBuilder, MoreNeighboursThanTheDatabaseHasChunksAreMissing) {
  TestNeighbours test;
  test.MakeCorpus("other", SharedDocuments(1, "other/"));
  test.OpenDatabase(test.folder / "other", TestDatabase::Options());
  const uint64_t num_chunks = test.database->chunks().num_chunks();
  NeighbourOptions options = test.Everything();
  options.selection.k = static_cast<uint32_t>(num_chunks) + 2;
  const nlohmann::json counts = test.BuildTable(options).counts;
  const NeighbourTable table(test.table());
  for (uint64_t row = 0; row < table.num_rows(); ++row) {
    const auto ids = table.Row(row);
    EXPECT_EQ((std::set<uint64_t>(ids.begin(), ids.end() - 2).size()), num_chunks);
    EXPECT_THAT(ids.last(2), testing::Each(kNoChunk));
  }
  EXPECT_EQ(counts["short_rows"], counts["rows"]);
  EXPECT_EQ(counts["empty_rows"], 0);
}

TEST(NeighbourBuilder, TheTableDoesNotDependOnTheNumberOfThreads) {
  TestNeighbours test(SharedDocuments(60), {.chunk_len = 16, .factory = "IVF4,PQ16x4fs", .block_chunks = 32});
  NeighbourOptions options = test.Few();
  options.selection.order = NeighbourOrder::kBm25;
  options.selection.max_next_overlap = 0.5;
  ThreadPool one(1), four(4);
  BuildNeighbours(test.corpus(), *test.database, test.folder / "one", options, one);
  BuildNeighbours(test.corpus(), *test.database, test.folder / "four", options, four);
  EXPECT_EQ(FilesOf(test.folder / "one"), FilesOf(test.folder / "four"));
}

TEST(NeighbourBuilder, TheTableBelongsToItsCorpusAndDatabase) {
  TestNeighbours test;
  test.BuildTable(test.Few());
  NeighbourTable(test.table()).RequireMadeFrom(test.corpus(), "train", 64, test.out());
  EXPECT_ERROR(NeighbourTable(test.table()).RequireMadeFrom(test.corpus(), "train", 64, test.corpus()),
               ErrorCode::kInvalidArgument, "another database");
}

TEST(NeighbourBuilder, WhatCannotBeMeantIsRefusedAndNothingIsLeft) {
  TestNeighbours test;
  const auto refused = [&](auto&& change, const std::string& reason) {
    NeighbourOptions options = test.Few();
    change(options);
    EXPECT_ERROR(test.BuildTable(options), ErrorCode::kInvalidArgument, reason);
  };
  refused([](auto& options) { options.search.candidates = 0; }, "0 candidates");
  refused([](auto& options) { options.search.block_rows = 0; }, "block_rows 0");
  refused([](auto& options) { options.search.nprobe = -1; }, "nprobe -1");
  refused([](auto& options) { options.selection.k = 0; }, "k 0");
  refused([](auto& options) { options.selection.k = 21; }, "at most the 20 candidates");
  refused([](auto& options) { options.selection.max_next_overlap = 1.5; }, "max_next_overlap 1.5");
  refused([](auto& options) { options.selection.max_row_overlap = NAN; }, "max_row_overlap nan");
  refused([](auto& options) { options.seq_len = 40; }, "40 tokens cannot be cut into chunks of 16");
  refused([](auto& options) { options.seq_len = 1 << 20; }, "a sequence of 1048576");
  NeighbourOptions options = test.Few();
  options.part = "dev";
  EXPECT_ERROR(test.BuildTable(options), ErrorCode::kNotFound, "no part \"dev\"");
  options.part = "valid";
  EXPECT_ERROR(test.BuildTable(options), ErrorCode::kInvalidArgument, "has 0 tokens");
  EXPECT_FALSE(fs::exists(test.table()));
  EXPECT_FALSE(fs::exists(test.table_staging()));
}

TEST(NeighbourBuilder, ACorpusOfAnotherTokenizerIsRefused) {
  TestNeighbours test;
  test.MakeCorpus("other", SharedDocuments(9), ByteTokenizer(300));
  EXPECT_ERROR(BuildNeighbours(test.folder / "other", *test.database, test.table(), test.Few(), test.pool),
               ErrorCode::kInvalidArgument, "another tokenizer (bytes 300)");
}

TEST(NeighbourBuilder, ExactOrderNeedsExactDistances) {
  TestNeighbours test(SharedDocuments(60), {.chunk_len = 16, .factory = "IVF4,PQ16x4fs", .keep_embeddings = false});
  NeighbourOptions options = test.Few();
  options.selection.order = NeighbourOrder::kExact;
  EXPECT_ERROR(test.BuildTable(options), ErrorCode::kInvalidArgument, "kept no embeddings");
  test.OpenDatabase(test.corpus(), {.chunk_len = 16, .factory = "IVF4,PQ16x4fs", .keep_embeddings = true});
  test.BuildTable(options);
  const NeighbourTable table(test.table());
  for (uint64_t row = 0; row < table.num_rows(); ++row) {
    EXPECT_TRUE(std::ranges::is_sorted(table.Distances(row)));
  }
}

TEST(NeighbourBuilder, AFolderOfAnotherKindIsNotReplaced) {
  TestNeighbours test;
  EXPECT_ERROR(test.BuildTable(test.corpus(), test.Few()), ErrorCode::kCorruption, "it describes a \"corpus\"");
  EXPECT_TRUE(fs::exists(test.corpus() / "train"));
}

}  // namespace
}  // namespace retro
