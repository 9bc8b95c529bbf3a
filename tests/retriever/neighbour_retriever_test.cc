#include "retriever/neighbour_retriever.h"

#include <gtest/gtest.h>

#include "tests/retriever/numbered_database.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

class NeighbourRetrieverTest : public testing::Test {
 protected:
  NeighbourRetrieverTest() {
    WriteDatabase(dir_ / "db", texts_, true);
    database_ = std::make_shared<RetrievalDatabase>(dir_ / "db", MakeHashingEmbedder(), tokenizer_);
    config_.chunk_len = kNumberedChunkLen;
    config_.neighbour_len = 2 * kNumberedChunkLen;
  }

  NeighbourRetriever Make(int k) { return NeighbourRetriever(database_, config_, *tokenizer_, {.k = k}, pool_); }

  std::string Text(const std::vector<TokenId>& tokens) const { return tokenizer_->Decode(tokens, {}); }

  // Chunks 0 to 2, 3 and 4, and 5.
  const std::vector<std::string> texts_ = {"The otter sleeps in the river, holding hands.", "A zebra has stripes.",
                                           "Kestrels hover"};
  TempDir dir_;
  std::shared_ptr<const ByteTokenizer> tokenizer_ = std::make_shared<ByteTokenizer>();
  std::shared_ptr<const RetrievalDatabase> database_;
  RetroConfig config_;
  ThreadPool pool_{2};
  const std::vector<TokenId> otter_ = tokenizer_->Encode("The otter sleeps"),
                             zebra_ = tokenizer_->Encode("A zebra has");
};

TEST_F(NeighbourRetrieverTest, ANeighbourComesWithItsContinuation) {
  auto retriever = Make(1);
  const RetrievalQuery queries[] = {{0, 16, otter_}, {1, 11, zebra_}};
  const auto neighbours = retriever.Function()(queries);
  ASSERT_EQ(neighbours.size(), 2u);
  ASSERT_EQ(neighbours[0].size(), 1u);
  EXPECT_EQ(Text(neighbours[0][0]), "The otter sleeps in the river, h");
  EXPECT_EQ(Text(neighbours[1][0]), texts_[1]);
}

TEST_F(NeighbourRetrieverTest, RecordsWhatFedWhichChunk) {
  auto retriever = Make(2);
  const RetrievalQuery first[] = {{3, 16, otter_}}, second[] = {{4, 40, zebra_}};
  retriever.Retrieve(first);
  retriever.Retrieve(second);
  ASSERT_EQ(retriever.retrieved().size(), 2u);
  EXPECT_EQ(retriever.retrieved()[0].sequence, 3u);
  EXPECT_EQ(retriever.retrieved()[0].end, 16);
  EXPECT_EQ(retriever.retrieved()[0].neighbours[0].document.title, "Title 0");
  EXPECT_NEAR(retriever.retrieved()[0].neighbours[0].score, 1, 1e-3);
  EXPECT_EQ(retriever.retrieved()[1].sequence, 4u);
  EXPECT_EQ(retriever.retrieved()[1].neighbours.size(), 2u);
  EXPECT_EQ(retriever.retrieved()[1].neighbours[0].chunk.value, 3u);
}

TEST_F(NeighbourRetrieverTest, WhatThePromptHoldsIsNoNeighbourOfItsSequence) {
  auto retriever = Make(2);
  retriever.Exclude(1, database_->SearchPassages("The otter sleeps", {.k = 1}, true, pool_));
  const RetrievalQuery queries[] = {{0, 16, otter_}, {1, 16, otter_}};
  retriever.Retrieve(queries);
  EXPECT_EQ(retriever.retrieved()[0].neighbours[0].chunk.value, 0u);
  ASSERT_EQ(retriever.retrieved()[1].neighbours.size(), 2u);
  EXPECT_NE(retriever.retrieved()[1].neighbours[0].chunk.value, 0u);
  EXPECT_NE(retriever.retrieved()[1].neighbours[1].chunk.value, 0u);
}

TEST_F(NeighbourRetrieverTest, ChunksOfAPromptMayBeGivenTheirNeighbours) {
  auto retriever = Make(1);
  retriever.GiveUpTo(20, database_->SearchPassages("Kestrels hover", {.k = 1}, true, pool_));
  const RetrievalQuery queries[] = {{0, 4, otter_}, {0, 36, zebra_}, {0, 20, otter_}};
  const auto neighbours = retriever.Retrieve(queries);
  EXPECT_EQ(Text(neighbours[0][0]), "Kestrels hover");
  EXPECT_EQ(Text(neighbours[1][0]), texts_[1]);
  EXPECT_EQ(Text(neighbours[2][0]), "Kestrels hover");
  EXPECT_EQ(retriever.retrieved()[1].neighbours[0].document.title, "Title 1");
}

TEST_F(NeighbourRetrieverTest, NeighboursAreCutToWhatTheModelTakes) {
  config_.neighbour_len = 20;
  auto retriever = Make(1);
  const RetrievalQuery queries[] = {{0, 16, otter_}};
  EXPECT_EQ(Text(retriever.Retrieve(queries)[0][0]), "The otter sleeps in ");
}

TEST_F(NeighbourRetrieverTest, AModelThatDoesNotBelongToTheDatabaseIsRefused) {
  EXPECT_ERROR(Make(0), ErrorCode::kInvalidArgument, "k is 0");
  config_.embedder = MakeHashingEmbedder()->fingerprint();
  EXPECT_NO_THROW(Make(1));
  config_.embedder = "other";
  EXPECT_ERROR(Make(1), ErrorCode::kInvalidArgument, "embedder other");
  config_.embedder = "";
  config_.chunk_len = 64;
  EXPECT_ERROR(Make(1), ErrorCode::kInvalidArgument, "chunks of 16 tokens, the model of 64");
  const ByteTokenizer other(300);
  EXPECT_ERROR(NeighbourRetriever(database_, config_, other, {.k = 1}, pool_), ErrorCode::kInvalidArgument,
               "another tokenizer (bytes 257) than the model's (bytes 300)");
}

}  // namespace
}  // namespace retro
