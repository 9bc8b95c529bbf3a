#include "training/copied_neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/testing/expect_error.h"
#include "tests/training/training_run.h"

namespace retro {
namespace {

// Sequences of 4 chunks of 2 tokens: 10, 11, …, 17 and 20, …; neighbours of `neighbour_len` sevens.
TrainingBatch Batch(int64_t num_sequences, int64_t neighbour_len) {
  TrainingBatch batch;
  batch.num_sequences = num_sequences;
  batch.seq_len = 8;
  for (int64_t i = 0; i < num_sequences; ++i) {
    for (int64_t j = 0; j < 8; ++j) batch.tokens.push_back(static_cast<TokenId>(10 * (i + 1) + j));
  }
  batch.num_chunks = 4;
  batch.num_neighbours = 2;
  batch.neighbour_len = neighbour_len;
  batch.neighbour_tokens.assign(num_sequences * 8 * neighbour_len, 7);
  batch.neighbour_lengths.assign(num_sequences * 8, static_cast<uint32_t>(neighbour_len));
  return batch;
}

std::vector<TokenId> Neighbour(const TrainingBatch& batch, int64_t place) {
  const auto begin = batch.neighbour_tokens.begin() + place * batch.neighbour_len;
  return {begin, begin + batch.neighbour_lengths[place]};
}

// The one neighbour of a chunk that is not sevens; it must be one.
std::vector<TokenId> Copied(const TrainingBatch& batch, int64_t row) {
  const std::vector<TokenId> first = Neighbour(batch, 2 * row), second = Neighbour(batch, 2 * row + 1);
  EXPECT_NE(first[0] == 7, second[0] == 7) << "row " << row;
  return first[0] == 7 ? second : first;
}

TEST(CopyNextChunks, OneNeighbourHoldsTheNextChunkFromSomewhereInItsOwnOn) {
  TrainingBatch batch = Batch(500, 4);
  CopyNextChunks(1, 3, batch);
  std::set<std::vector<TokenId>> first, second;
  for (int64_t i = 0; i < 500; ++i) {
    std::vector<TokenId> copy = Copied(batch, 4 * i);
    for (TokenId& token : copy) token -= static_cast<TokenId>(10 * i);
    first.insert(copy);
    second.insert(Neighbour(batch, 8 * i + 6));  // of the last chunk
  }
  EXPECT_THAT(first, testing::UnorderedElementsAre(testing::ElementsAre(10, 11, 12, 13),
                                                   testing::ElementsAre(11, 12, 13), testing::ElementsAre(12, 13)));
  EXPECT_THAT(second, testing::UnorderedElementsAre(testing::ElementsAre(7, 7, 7, 7)));
}

TEST(CopyNextChunks, EitherNeighbourIsReplacedAndTheRestOfItIsPadding) {
  TrainingBatch batch = Batch(500, 4);
  CopyNextChunks(1, 3, batch);
  int replaced = 0;
  for (int64_t row = 0; row < 2000; row += 4) {
    replaced += Neighbour(batch, 2 * row)[0] != 7;
    for (int64_t place = 2 * row; place < 2 * row + 2; ++place) {
      for (int64_t j = batch.neighbour_lengths[place]; j < 4; ++j) EXPECT_EQ(batch.neighbour_tokens[4 * place + j], 0);
    }
  }
  EXPECT_NEAR(replaced, 250, 40);
}

TEST(CopyNextChunks, ReachesIntoTheNextChunkHoweverShortTheNeighbours) {
  TrainingBatch batch = Batch(100, 2);
  CopyNextChunks(1, 0, batch);
  for (int64_t i = 0; i < 100; ++i) EXPECT_THAT(Copied(batch, 4 * i), testing::Contains(10 * i + 12));
}

TEST(CopyNextChunks, TakesTheShareOfChunksThatTheSeedChooses) {
  const TrainingBatch before = Batch(500, 4);
  TrainingBatch none = before, some = before, same = before, other = before;
  CopyNextChunks(0, 5, none);
  CopyNextChunks(0.3, 5, some);
  CopyNextChunks(0.3, 5, same);
  CopyNextChunks(0.3, 6, other);
  EXPECT_EQ(none.neighbour_tokens, before.neighbour_tokens);
  EXPECT_EQ(some.neighbour_tokens, same.neighbour_tokens);
  EXPECT_NE(some.neighbour_tokens, other.neighbour_tokens);
  int copied = 0;
  for (int64_t place = 0; place < 4000; ++place) copied += Neighbour(some, place) != Neighbour(before, place);
  EXPECT_NEAR(copied, 0.3 * 1500, 60);
}

TEST(CopyNextChunks, LeavesABatchWithoutNeighboursAlone) {
  TrainingBatch batch;
  batch.num_sequences = 1;
  batch.seq_len = 2;
  batch.tokens = {1, 2};
  CopyNextChunks(1, 0, batch);
  EXPECT_THAT(batch.neighbour_tokens, testing::IsEmpty());
}

TEST(TrainWithCopies, TheyHelpAtFirstAndAreGoneAfterTheWarmUp) {
  TrainingRun plain, warmed;
  for (TrainingRun* run : {&plain, &warmed}) {
    run->AddNeighbours();
    run->config.steps = 3;
    run->config.optimizer.learning_rate = 1e-12;  // only the data differ
  }
  warmed.config.data.neighbours_warmup = 2;
  plain.Train();
  warmed.Train();
  const auto without = plain.Metrics(), with = warmed.Metrics();
  EXPECT_NE(without[0].at("loss"), with[0].at("loss"));
  EXPECT_NE(without[1].at("loss"), with[1].at("loss"));  // half of the chunks
  EXPECT_NEAR(without[2].at("loss").get<double>(), with[2].at("loss").get<double>(), 1e-6);
}

TEST(TrainWithCopies, ResumedInTheWarmUpEqualsAnUnbrokenRun) {
  TrainingRun unbroken, run;
  for (TrainingRun* each : {&unbroken, &run}) {
    each->AddNeighbours();
    each->config.data.neighbours_warmup = 6;
  }
  unbroken.Train();
  EXPECT_THROW(run.Train([](const StepMetrics& metrics) {
    if (metrics.step == 4) throw std::runtime_error("killed");
  }),
               std::runtime_error);
  run.Train();
  EXPECT_EQ(run.Metrics(), unbroken.Metrics());
}

TEST(TrainWithCopies, AModelThatReadsNoNeighboursIsRefused) {
  TrainingRun run;
  run.config.data.neighbours_warmup = 6;
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "--neighbours-warmup");
}

}  // namespace
}  // namespace retro
