// The evaluation over a true RETRO decoder (random weights): that what the arms choose reaches the chunks it is for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/thread_pool.h"
#include "evaluation/lm_evaluation.h"
#include "tests/evaluation/lm_testing.h"
#include "tests/testing/golden.h"
#include "tests/testing/retro_checkpoint.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

constexpr uint32_t kRetroChunkLen = 8;

class EvaluateRetroDecoder : public testing::Test {
 protected:
  EvaluateRetroDecoder() {
    WriteRetroCheckpoint(GoldenFolder("llama/gqa"), dir_ / "model", SmallRetroConfig());
    decoder_ = LoadDecoder(dir_ / "model", pool_);
    std::string digits;
    for (int i = 0; i < 90; ++i) digits += static_cast<char>('0' + i * i % 10);
    document_ = MakeLmDocument("x", digits, kRetroChunkLen);
    document_.tokens[0] = 1;  // the model has 67 tokens
  }

  // Every chunk gets the same neighbours, but `changed` (if any) another one.
  std::vector<double> Nats(int64_t window_len, std::optional<size_t> changed, bool off = false) {
    LmArmRun run{{.name = "on", .kind = off ? LmArmKind::kOff : LmArmKind::kOn}, {}};
    auto& chunks = run.neighbours.emplace_back(document_.num_chunks());
    for (size_t u = 0; u < chunks.size(); ++u) chunks[u] = {{changed == u ? uint64_t{9} : 3}, {5}};
    const LmScoreFunction score = [&](std::span<const TokenId> tokens, const RetrieveFunction& retrieve) {
      ScoreOptions options{.window_len = window_len, .min_context = window_len / 2};
      options.retrieve = retrieve;
      return ScoreTokens(*decoder_, tokens, options, pool_);
    };
    const NeighbourTokensFunction neighbour_tokens = [](std::span<const ChunkId> ids) {
      ChunkNeighbours neighbours;
      for (const ChunkId id : ids) neighbours.emplace_back(7, static_cast<TokenId>(id.value));
      return neighbours;
    };
    return EvaluateLm({document_}, kRetroChunkLen, {&run, 1}, score, neighbour_tokens).arms[0].documents[0].nats;
  }

  TempDir dir_;
  ThreadPool pool_{1};
  std::unique_ptr<Decoder> decoder_;
  LmDocument document_;
};

TEST_F(EvaluateRetroDecoder, NeighboursOfAChunkChangeTheNextOnesAndNoneBefore) {
  const auto base = Nats(64, {});
  const auto changed = Nats(64, 2);
  for (size_t u = 0; u <= 2; ++u) EXPECT_EQ(changed[u], base[u]) << u;
  EXPECT_NE(changed[3], base[3]);
  const auto off = Nats(64, {}, true);
  EXPECT_EQ(off[0], base[0]);
  for (size_t u = 1; u < off.size(); ++u) EXPECT_NE(off[u], base[u]) << u;
}

TEST_F(EvaluateRetroDecoder, InEveryWindowTheChunksKeepTheirNeighbours) {
  // Windows of 32 begin at 0, 16, 32, …: chunk 9 (tokens 72 to 79) closes in the one that begins at 48.
  const auto base = Nats(32, {}), changed = Nats(32, 9);
  for (size_t u = 0; u <= 9; ++u) EXPECT_EQ(changed[u], base[u]) << u;
  EXPECT_NE(changed[10], base[10]);
  EXPECT_EQ(Nats(32, 11), base);  // the last chunk has nothing after it
}

}  // namespace
}  // namespace retro
