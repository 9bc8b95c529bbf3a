// Tiny random checkpoints in Hugging Face layout against the logits of the `transformers` library
// (tests/golden/make_decoder_golden.py).
#include <gtest/gtest.h>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

std::vector<float> LogitsOfAll(const Decoder& decoder, const Sequences& sequences, ThreadPool& pool) {
  const auto cache = decoder.NewCache(static_cast<int>(sequences.size()), decoder.config().context_len);
  std::vector<SequenceInput> inputs;
  for (size_t i = 0; i < sequences.size(); ++i) inputs.push_back({static_cast<int>(i), sequences[i]});
  std::vector<float> logits;
  decoder.Forward(*cache, inputs, LogitsFor::kAllTokens, logits, pool);
  return logits;
}

void ExpectGoldenLogits(const std::string& name) {
  ThreadPool pool(2);
  const auto folder = GoldenFolder(name);
  const auto decoder = LoadDecoder(folder, pool);
  const auto logits = LogitsOfAll(*decoder, ReadSequences(folder / "tokens.json"), pool);
  ExpectNear(logits, ReadFloats(folder / "logits.f32"), 1e-4f);
}

TEST(DecoderGolden, Gpt2HasTheLogitsOfTheReference) { ExpectGoldenLogits("gpt2"); }

TEST(DecoderGolden, LlamaWithGroupedQueriesHasTheLogitsOfTheReference) { ExpectGoldenLogits("llama/gqa"); }

TEST(DecoderGolden, LlamaWithScaledRopeAndTiedWeightsHasTheLogitsOfTheReference) {
  ExpectGoldenLogits("llama/llama3_rope");
}

TEST(DecoderGolden, ParametersAreCountedOnce) {
  ThreadPool pool(1);
  EXPECT_EQ(LoadDecoder(GoldenFolder("gpt2"), pool)->num_parameters(), 17112u);
  EXPECT_EQ(LoadDecoder(GoldenFolder("llama/gqa"), pool)->num_parameters(), 19040u);
  EXPECT_EQ(LoadDecoder(GoldenFolder("llama/llama3_rope"), pool)->num_parameters(), 34176u);
}

TEST(DecoderGolden, EightBitWeightsStayCloseToTheReference) {
  ThreadPool pool(2);
  const auto folder = GoldenFolder("llama/llama3_rope");  // 16-bit floats in the file
  const auto decoder = LoadDecoder(folder, pool, WeightPrecision::kInt8);
  const auto logits = LogitsOfAll(*decoder, ReadSequences(folder / "tokens.json"), pool);
  ExpectNear(logits, ReadFloats(folder / "logits.f32"), 0.5f);
}

}  // namespace
}  // namespace retro
