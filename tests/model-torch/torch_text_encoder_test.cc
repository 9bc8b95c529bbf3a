#include "model/torch/torch_text_encoder.h"

#include <gtest/gtest.h>

#include "core/thread_pool.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

std::vector<float> EmbedAll(const TextEncoder& encoder, const Sequences& sequences) {
  ThreadPool pool(1);
  std::vector<float> embeddings(sequences.size() * encoder.dim());
  encoder.Embed(Spans(sequences), embeddings, pool);
  return embeddings;
}

TEST(TorchTextEncoder, TinyBertHasTheMeansOfTheReference) {
  const auto folder = GoldenFolder("bert");
  const auto encoder = LoadTorchTextEncoder(folder, "cpu");
  ExpectNear(EmbedAll(*encoder, ReadSequences(folder / "tokens.json")), ReadFloats(folder / "embeddings.f32"), 1e-4f);
}

TEST(TorchTextEncoder, MiniLmAgreesWithSentenceTransformers) {
  const auto model = std::filesystem::path(RETRO_DEPS_DIR) / "models/all-MiniLM-L6-v2";
  const auto folder = GoldenFolder("minilm");
  const auto encoder = LoadTorchTextEncoder(model, "cpu");
  ExpectNear(EmbedAll(*encoder, ReadSequences(folder / "tokens.json")), ReadFloats(folder / "embeddings.f32"), 2e-5f);
  EXPECT_EQ(encoder->fingerprint(), LoadTextEncoder(model)->fingerprint());
}

TEST(TorchTextEncoder, BadSequencesAreNamed) {
  const auto encoder = LoadTorchTextEncoder(GoldenFolder("bert"), "cpu");
  EXPECT_ERROR(EmbedAll(*encoder, {{1, 2}, {}}), ErrorCode::kInvalidArgument, "sequence 1 has 0 tokens");
  EXPECT_ERROR(EmbedAll(*encoder, {{61}}), ErrorCode::kInvalidArgument, "token 61");
  EXPECT_TRUE(EmbedAll(*encoder, {}).empty());
}

}  // namespace
}  // namespace retro
