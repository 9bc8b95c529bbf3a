#include "training/sequence_reader.h"

#include <gmock/gmock.h>

#include "tests/testing/expect_error.h"
#include "tests/training/training_run.h"

namespace retro {
namespace {

constexpr NeighbourShape kShape = {.chunk_len = 8, .num_neighbours = 2, .neighbour_len = 16};

class SequenceReaderTest : public testing::Test {
 protected:
  SequenceReaderTest() { run_.AddNeighbours(); }

  const CorpusSource& corpus() const { return run_.config.data.corpora[0]; }
  NeighbourSource Neighbours() { return {corpus().neighbours, corpus().database, &run_.chunks}; }
  SequenceReader Open(const NeighbourShape& shape = kShape, const std::string& part = "train", uint32_t seq_len = 32) {
    return SequenceReader(corpus().folder, part, seq_len, shape, Neighbours());
  }

  TrainingRun run_;
};

TEST_F(SequenceReaderTest, TargetsAreTheTokensThatFollow) {
  TrainingBatch batch;
  const SequenceReader reader = Open();
  reader.Append(3, batch);
  reader.Append(4, batch);
  EXPECT_EQ(batch.num_sequences, 2);
  EXPECT_EQ(batch.seq_len, 32);
  ASSERT_EQ(batch.tokens.size(), 64u);
  EXPECT_TRUE(std::equal(batch.tokens.begin() + 1, batch.tokens.end(), batch.targets.begin()));
  std::vector<TokenId> expected(33);
  const Corpus tokens(corpus().folder);
  TokenSequences(tokens, 32).Read(4, expected);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end() - 1, batch.tokens.begin() + 32));
  EXPECT_EQ(batch.targets.back(), expected.back());
}

TEST_F(SequenceReaderTest, NeighboursAreThoseOfTheTableCutToTheirLength) {
  TrainingBatch batch;
  Open({.chunk_len = 8, .num_neighbours = 2, .neighbour_len = 12}).Append(2, batch);
  ASSERT_EQ(batch.num_chunks, 4);
  ASSERT_EQ(batch.neighbour_lengths.size(), 8u);
  ASSERT_EQ(batch.neighbour_tokens.size(), 8u * 12);
  const NeighbourTable table(corpus().neighbours);
  for (size_t i = 0; i < 8; ++i) {
    const uint64_t id = table.Row(2 * 4 + i / 2)[i % 2];
    const uint32_t length = id == kNoChunk ? 0 : std::min(12u, run_.chunks.Length(id));
    EXPECT_EQ(batch.neighbour_lengths[i], length);
    for (uint32_t j = 0; j < 12; ++j) {
      EXPECT_EQ(batch.neighbour_tokens[i * 12 + j], j < length ? run_.chunks.Token(id, j) : 0);
    }
  }
  EXPECT_THAT(batch.neighbour_lengths, testing::Contains(0));
  EXPECT_THAT(batch.neighbour_lengths, testing::Contains(9));
}

TEST_F(SequenceReaderTest, ACorpusWithoutATableHasOnlyMissingNeighbours) {
  TrainingBatch batch;
  SequenceReader(corpus().folder, "train", 32, kShape, std::nullopt).Append(0, batch);
  EXPECT_THAT(batch.neighbour_lengths, testing::AllOf(testing::SizeIs(8), testing::Each(0)));
}

TEST_F(SequenceReaderTest, AModelWithoutNeighboursReadsNone) {
  TrainingBatch batch;
  Open({}).Append(0, batch);
  EXPECT_TRUE(batch.neighbour_lengths.empty());
}

TEST_F(SequenceReaderTest, ATableOfAnotherCorpusPartLengthOrDatabaseIsRefused) {
  EXPECT_ERROR(Open(kShape, "valid"), ErrorCode::kInvalidArgument, "neighbours-train");
  EXPECT_ERROR(Open(kShape, "train", 16), ErrorCode::kInvalidArgument, "16");
  run_.config.data.corpora[0].database = run_.MakeDatabase("another");
  EXPECT_ERROR(Open(), ErrorCode::kInvalidArgument, "another");
}

TEST_F(SequenceReaderTest, ATableThatDoesNotFitTheModelIsRefused) {
  EXPECT_ERROR(Open({.chunk_len = 16, .num_neighbours = 2, .neighbour_len = 16}), ErrorCode::kInvalidArgument,
               "its chunks have 8 tokens");
  EXPECT_ERROR(Open({.chunk_len = 8, .num_neighbours = 3, .neighbour_len = 16}), ErrorCode::kInvalidArgument,
               "has 2 neighbours");
  EXPECT_ERROR(Open({.chunk_len = 8, .num_neighbours = 2, .neighbour_len = 17}), ErrorCode::kInvalidArgument,
               "--neighbour-len 17");
}

TEST_F(SequenceReaderTest, ATableWithoutAnyNeighbourIsRefused) {
  run_.config.data.corpora[0].neighbours = run_.MakeTable("train", /*empty=*/true);
  EXPECT_ERROR(Open(), ErrorCode::kInvalidArgument, "no chunk has a neighbour");
}

}  // namespace
}  // namespace retro
