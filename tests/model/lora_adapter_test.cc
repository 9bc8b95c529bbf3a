// Adapters made by the peft library (tests/golden/make_lora_golden.py) in the processor's engine.
#include "model/lora_adapter.h"

#include <nlohmann/json.hpp>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "model/json_file.h"
#include "model/safetensors.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct AdapterCase {
  const char* adapter;
  const char* base;
};

std::vector<float> LogitsOfAll(const Decoder& decoder, const Sequences& sequences, ThreadPool& pool) {
  const auto cache = decoder.NewCache(static_cast<int>(sequences.size()), decoder.config().context_len);
  std::vector<SequenceInput> inputs;
  for (size_t i = 0; i < sequences.size(); ++i) inputs.push_back({static_cast<int>(i), sequences[i]});
  std::vector<float> logits;
  decoder.Forward(*cache, inputs, LogitsFor::kAllTokens, logits, pool);
  return logits;
}

class LoraGolden : public testing::TestWithParam<AdapterCase> {
 protected:
  fs::path base_ = GoldenFolder(GetParam().base), adapter_ = GoldenFolder("lora") / GetParam().adapter;
  Sequences sequences_ = ReadSequences(base_ / "tokens.json");
  ThreadPool pool_{2};
};

TEST_P(LoraGolden, TheEngineHasTheLogitsOfTheReference) {
  const auto decoder = LoadDecoder(base_, pool_, WeightPrecision::kAsStored, adapter_);
  ExpectNear(LogitsOfAll(*decoder, sequences_, pool_), ReadFloats(adapter_ / "logits.f32"), 1e-4f);
}

TEST_P(LoraGolden, TokensOneAtATimeHaveTheSameLogits) {
  const auto decoder = LoadDecoder(base_, pool_, WeightPrecision::kAsStored, adapter_);
  const auto cache = decoder->NewCache(1, decoder->config().context_len);
  std::vector<float> all, logits;
  for (const TokenId token : sequences_[2]) {
    const SequenceInput input{0, {&token, 1}};
    decoder->Forward(*cache, {&input, 1}, LogitsFor::kLastToken, logits, pool_);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  const size_t before = (sequences_[0].size() + sequences_[1].size()) * decoder->config().vocab_size;
  const std::vector<float> golden = ReadFloats(adapter_ / "logits.f32");
  ExpectNear(all, std::span(golden).subspan(before, all.size()), 1e-4f);
}

TEST_P(LoraGolden, ItIsNotTheBaseAlone) {
  const auto decoder = LoadDecoder(base_, pool_);
  const auto base = LogitsOfAll(*decoder, sequences_, pool_), adapted = ReadFloats(adapter_ / "logits.f32");
  float worst = 0;
  for (size_t i = 0; i < base.size(); ++i) worst = std::max(worst, std::abs(base[i] - adapted[i]));
  EXPECT_GT(worst, 0.5f);
}

TEST_P(LoraGolden, SequencesWithItAndWithoutShareAPassToTheLastBit) {
  for (const WeightPrecision precision : {WeightPrecision::kAsStored, WeightPrecision::kInt8}) {
    const auto adapted = LoadDecoder(base_, pool_, precision, adapter_), base = LoadDecoder(base_, pool_, precision);
    const auto with = LogitsOfAll(*adapted, sequences_, pool_), without = LogitsOfAll(*base, sequences_, pool_);
    for (const size_t first_plain : {0, 1}) {
      const auto cache = adapted->NewCache(static_cast<int>(sequences_.size()), adapted->config().context_len);
      std::vector<SequenceInput> inputs;
      std::vector<float> expected, logits;
      size_t row = 0;
      for (size_t i = 0; i < sequences_.size(); ++i) {
        const bool plain = i % 2 == first_plain;
        inputs.push_back({.sequence = static_cast<int>(i), .tokens = sequences_[i], .adapted = !plain});
        const size_t count = sequences_[i].size() * base->config().vocab_size;
        const auto& rows = plain ? without : with;
        expected.insert(expected.end(), rows.begin() + row, rows.begin() + row + count);
        row += count;
      }
      adapted->Forward(*cache, inputs, LogitsFor::kAllTokens, logits, pool_);
      EXPECT_EQ(logits, expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Adapters, LoraGolden,
                         testing::Values(AdapterCase{"gpt2", "gpt2"}, AdapterCase{"llama", "llama/gqa"},
                                         AdapterCase{"llama_one_layer", "llama/gqa"}),
                         [](const auto& info) { return info.param.adapter; });

TEST(LoraAdapter, WeightsInEightBitsStayCloseToTheReference) {
  ThreadPool pool(2);
  const auto base = GoldenFolder("llama/gqa"), adapter = GoldenFolder("lora/llama");
  const auto decoder = LoadDecoder(base, pool, WeightPrecision::kInt8, adapter);
  ExpectNear(LogitsOfAll(*decoder, ReadSequences(base / "tokens.json"), pool), ReadFloats(adapter / "logits.f32"),
             1.0f);
}

TEST(LoraTargets, AreNamedAsInPeftAndChosenByNameAndLayer) {
  const DecoderConfig config = OpenDecoder(GoldenFolder("gpt2")).config;
  LoraConfig lora;
  lora.targets = {"c_proj"};
  lora.layers = {1};
  const auto targets = LoraTargets(config, lora);
  ASSERT_EQ(targets.size(), 2u);  // as in peft, of the attention and of the feed-forward
  EXPECT_EQ(targets[0].TensorName('A'), "base_model.model.transformer.h.1.attn.c_proj.lora_A.weight");
  EXPECT_EQ(targets[1].TensorName('B'), "base_model.model.transformer.h.1.mlp.c_proj.lora_B.weight");
  EXPECT_EQ(targets[1].num_inputs, config.ffn_dim);
  lora.targets = {"q_proj"};
  EXPECT_ERROR(LoraTargets(config, lora), ErrorCode::kInvalidArgument, "\"q_proj\" is none of a gpt2 decoder's");
  lora.targets.clear();
  lora.layers = {2};
  EXPECT_ERROR(LoraTargets(config, lora), ErrorCode::kInvalidArgument, "layers 0 to 1");
}

// A copy of a golden adapter that a test spoils.
struct Spoiled {
  TempDir folder;
  json config;

  Spoiled() : config(ReadJsonFile(GoldenFolder("lora/llama") / "adapter_config.json")) {
    fs::copy_file(GoldenFolder("lora/llama") / "adapter_model.safetensors", folder / "adapter_model.safetensors");
  }
  void Open(const char* base = "llama/gqa") const {
    WriteFileAtomically(folder / "adapter_config.json", config.dump());
    OpenDecoder(GoldenFolder(base), folder.path());
  }
};

TEST(LoraAdapterRefuses, WhatItWouldComputeWrongly) {
  const std::vector<std::pair<const char*, json>> cases = {
      {"use_dora", true},   {"bias", "all"}, {"modules_to_save", {"lm_head"}}, {"rank_pattern", {{"q_proj", 2}}},
      {"peft_type", "IA3"}, {"r", 0}};
  for (const auto& [field, value] : cases) {
    Spoiled adapter;
    adapter.config[field] = value;
    EXPECT_ERROR(adapter.Open(), ErrorCode::kInvalidArgument, field);
  }
}

TEST(LoraAdapterRefuses, AnAdapterOfAnotherModel) {
  EXPECT_ERROR(Spoiled().Open("gpt2"), ErrorCode::kInvalidArgument, "adapts nothing");
  EXPECT_ERROR(Spoiled().Open("llama/llama3_rope"), ErrorCode::kCorruption, "lora_A.weight");
  Spoiled other_rank;
  other_rank.config["r"] = 3;
  EXPECT_ERROR(other_rank.Open(), ErrorCode::kCorruption, "lora_A.weight");
}

TEST(LoraAdapterRefuses, ToBeOpenedAsAModel) {
  EXPECT_ERROR(OpenDecoder(GoldenFolder("lora/llama")), ErrorCode::kInvalidArgument, "--adapter");
}

}  // namespace
}  // namespace retro
