#include "training/flops.h"

#include <gtest/gtest.h>

namespace retro {
namespace {

// Layers of width 8 with 2 heads of 4, GPT-2 style with an inner width of 32, a vocabulary of 100.
DecoderConfig Gpt() {
  DecoderConfig config;
  config.family = "gpt2";
  config.vocab_size = 100;
  config.hidden_dim = 8;
  config.num_layers = 3;
  config.num_heads = config.num_kv_heads = 2;
  config.head_dim = 4;
  config.ffn_dim = 32;
  config.context_len = 64;
  config.ffn = FeedForwardKind::kGelu;
  return config;
}

RetroConfig Retro() {
  RetroConfig retro;
  retro.chunk_len = 4;
  retro.neighbour_len = 8;
  retro.num_neighbours = 2;
  retro.cca_layers = {1};
  retro.encoder = {.num_layers = 2, .hidden_dim = 6, .num_heads = 1, .num_kv_heads = 1, .head_dim = 6, .ffn_dim = 10};
  return retro;
}

// Weights of a layer: 4 * 8 * 8 of attention and 2 * 8 * 32; six operations a weight. Each token sees 32.5 keys on
// average of 64, in two products of 8 elements; six operations for each multiplication.
constexpr double kLayerWeights = 256 + 512, kLayerScores = 2 * 8 * 32.5, kOutput = 800;

TEST(TrainingFlops, OfADecoderAreSixAWeightAndSixAScore) {
  EXPECT_DOUBLE_EQ(TrainingFlops(Gpt(), 64, false, false), 6 * (3 * (kLayerWeights + kLayerScores) + kOutput));
}

// Four neighbour tokens for each token of the sequence.
constexpr double kCcaWeights = 2 * 8 * 8 + 4 * 2 * 6 * 8, kCcaScores = 2 * 8 * 16;
constexpr double kEncoderWeights = 4 * (2 * (4 * 36 + 2 * 60) + 2 * 36) + 2 * 8 * 6;
constexpr double kEncoderScores = 4 * 2 * 6 * (2 * 8 + 4);
constexpr double kRetro = kCcaWeights + kCcaScores + kEncoderWeights + kEncoderScores;

TEST(TrainingFlops, NeighboursAddCrossAttentionAndTheirEncoder) {
  DecoderConfig config = Gpt();
  config.retro = Retro();
  EXPECT_DOUBLE_EQ(TrainingFlops(config, 64, true, false) - TrainingFlops(Gpt(), 64, false, false), 6 * kRetro);
  EXPECT_DOUBLE_EQ(TrainingFlops(config, 64, false, false), TrainingFlops(Gpt(), 64, false, false));
}

// Below the first cross-attention a frozen layer runs forward only; above it the gradient passes through.
TEST(TrainingFlops, AFrozenBaseLearnsNoWeights) {
  DecoderConfig config = Gpt();
  config.retro = Retro();
  const double base = 2 * (kLayerWeights + kLayerScores) + 2 * (4 * kLayerWeights + 6 * kLayerScores) + 4 * kOutput;
  EXPECT_DOUBLE_EQ(TrainingFlops(config, 64, true, true), base + 6 * kRetro);
}

}  // namespace
}  // namespace retro
