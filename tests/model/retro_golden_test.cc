// Chunked cross-attention where chunks are not aligned to the first token, against plain loops in double precision
// (tests/golden/make_retro_unaligned_golden.py).
#include <gtest/gtest.h>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "tests/testing/golden.h"

namespace retro {
namespace {

void ExpectGoldenLogits(const std::string& name) {
  ThreadPool pool(2);
  const auto folder = GoldenFolder(name);
  const auto decoder = LoadDecoder(folder, pool);
  const auto cases = nlohmann::json::parse(ReadFile(folder / "cases.json"));
  const auto cache = decoder->NewCache(static_cast<int>(cases.size()), decoder->config().context_len);
  std::vector<std::vector<TokenId>> tokens;
  std::vector<SequenceInput> inputs;
  tokens.reserve(cases.size());
  for (int i = 0; i < static_cast<int>(cases.size()); ++i) {
    for (const auto& chunk : cases[i]["chunks"]) {
      decoder->SetNeighbours(*cache, i, chunk["end"].get<int64_t>(), chunk["neighbours"].get<ChunkNeighbours>());
    }
    tokens.push_back(cases[i]["tokens"].get<std::vector<TokenId>>());
    inputs.push_back({i, tokens.back()});
  }
  std::vector<float> logits;
  decoder->Forward(*cache, inputs, LogitsFor::kAllTokens, logits, pool);
  ExpectNear(logits, ReadFloats(folder / "logits.f32"), 1e-4f);
}

TEST(RetroGolden, Gpt2WithGatesHasTheLogitsOfTheReference) { ExpectGoldenLogits("retro_unaligned/gpt2"); }

TEST(RetroGolden, LlamaWithOneCcaLayerHasTheLogitsOfTheReference) { ExpectGoldenLogits("retro_unaligned/llama"); }

}  // namespace
}  // namespace retro
