// Chunked cross-attention against plain loops in double precision: as in training (tests/golden/make_retro_golden.py),
// and where chunks are not aligned to the first token (tests/golden/make_retro_unaligned_golden.py).
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

// Whole sequences at once, or token by token.
void ExpectGoldenLogitsOfTraining(const std::string& name, bool step_by_step) {
  ThreadPool pool(2);
  const auto folder = GoldenFolder(name);
  const auto decoder = LoadDecoder(folder, pool);
  const auto sequences = ReadSequences(folder / "tokens.json");
  const auto neighbours = nlohmann::json::parse(ReadFile(folder / "neighbours.json"));
  const int64_t chunk_len = decoder->config().retro->chunk_len;
  std::vector<float> all, logits;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto cache = decoder->NewCache(1, decoder->config().context_len);
    for (size_t u = 0; u < neighbours[i].size(); ++u) {
      const auto end = static_cast<int64_t>(u + 1) * chunk_len;
      decoder->SetNeighbours(*cache, 0, end, neighbours[i][u].get<ChunkNeighbours>());
    }
    const std::span<const TokenId> tokens = sequences[i];
    const size_t step = step_by_step ? 1 : tokens.size();
    for (size_t at = 0; at < tokens.size(); at += step) {
      const SequenceInput input{0, tokens.subspan(at, step)};
      decoder->Forward(*cache, {&input, 1}, LogitsFor::kAllTokens, logits, pool);
      all.insert(all.end(), logits.begin(), logits.end());
    }
  }
  ExpectNear(all, ReadFloats(folder / "logits.f32"), 1e-4f);
}

// The last two have the decoder's first layers as encoder.
constexpr const char* kAligned[] = {"retro/gpt2", "retro/llama", "retro/gpt2_shared", "retro/llama_shared"};

TEST(RetroGolden, BothFamiliesHaveTheLogitsOfTheReference) {
  for (const char* model : kAligned) ExpectGoldenLogitsOfTraining(model, false);
}

TEST(RetroGolden, TokenByTokenTheyAreTheSame) {
  for (const char* model : kAligned) ExpectGoldenLogitsOfTraining(model, true);
}

TEST(RetroGolden, Gpt2WithGatesHasTheLogitsOfTheReference) { ExpectGoldenLogits("retro_unaligned/gpt2"); }

TEST(RetroGolden, LlamaWithOneCcaLayerHasTheLogitsOfTheReference) { ExpectGoldenLogits("retro_unaligned/llama"); }

}  // namespace
}  // namespace retro
