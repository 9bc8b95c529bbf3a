// Adapters in LibTorch against the peft library (tests/golden/make_lora_golden.py), and packed sequences.
#include "model/torch/lora.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/thread_pool.h"
#include "model/decoder.h"
#include "model/json_file.h"
#include "model/safetensors.h"
#include "model/torch/export_model.h"
#include "model/torch/padded_batch.h"
#include "model/torch/torch_decoder.h"
#include "tests/model-torch/written_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/golden.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* adapter;
  const char* base;
};

class LoraModule : public testing::TestWithParam<Case> {
 protected:
  std::vector<float> Logits(DecoderModule& module) const {
    torch::NoGradGuard no_grad;
    std::vector<float> all;
    for (const auto& sequence : sequences_) {
      const auto tokens = torch::tensor(sequence, torch::kInt64).unsqueeze(0);
      const auto logits = module(tokens).flatten().contiguous();
      all.insert(all.end(), logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + logits.numel());
    }
    return all;
  }

  fs::path base_ = GoldenFolder(GetParam().base), adapter_ = GoldenFolder("lora") / GetParam().adapter;
  Sequences sequences_ = ReadSequences(base_ / "tokens.json");
  std::vector<float> golden_ = ReadFloats(adapter_ / "logits.f32");
};

TEST_P(LoraModule, BesideTheBaseHasTheLogitsOfTheReference) {
  const DecoderSource source = OpenDecoder(base_);
  DecoderModule module = LoadDecoderModule(source);
  LoraWeights lora(ReadLoraConfig(adapter_), source.config, module);
  lora.Load(adapter_);
  ExpectNear(Logits(module), golden_, 1e-4f);
}

TEST_P(LoraModule, MergedIntoTheBaseHasThemToo) {
  ExpectNear(TorchDecoder(OpenDecoder(base_, adapter_)).Logits(Spans(sequences_)), golden_, 1e-4f);
  TempDir merged;
  ExportModel(base_, merged / "out", {.tokenizer = WriteByteTokenizer(merged), .adapter = adapter_});
  ExpectNear(TorchDecoder(OpenDecoder(merged / "out")).Logits(Spans(sequences_)), golden_, 1e-4f);
}

TEST_P(LoraModule, SavedItHasPeftsTensorsAndFields) {
  const DecoderSource source = OpenDecoder(base_);
  DecoderModule module = LoadDecoderModule(source);
  LoraWeights lora(ReadLoraConfig(adapter_), source.config, module);
  lora.Load(adapter_);
  TempDir saved;
  lora.Save(saved.path());
  const SafetensorsFile ours(saved / "adapter_model.safetensors"), theirs(adapter_ / "adapter_model.safetensors");
  EXPECT_EQ(ours.Names(), theirs.Names());
  for (const std::string& name : theirs.Names()) {
    EXPECT_EQ(ours.Find(name)->shape, theirs.Find(name)->shape) << name;
    EXPECT_EQ(Dequantize(*ours.Find(name)), Dequantize(*theirs.Find(name))) << name;
  }
  const auto our_config = ReadJsonFile(saved / "adapter_config.json"),
             their_config = ReadJsonFile(adapter_ / "adapter_config.json");
  for (const auto& [field, value] : our_config.items()) EXPECT_EQ(value, their_config.at(field)) << field;
}

TEST_P(LoraModule, ANewOneChangesNothingAndLeavesTheBaseWithoutGradients) {
  const DecoderSource source = OpenDecoder(base_);
  DecoderModule module = LoadDecoderModule(source);
  const auto before = Logits(module);
  const LoraWeights lora(ReadLoraConfig(adapter_), source.config, module);
  EXPECT_EQ(Logits(module), before);
  module(torch::tensor(sequences_[1], torch::kInt64).unsqueeze(0)).sum().backward();
  size_t adapted = 0;
  for (const auto& item : module->named_parameters()) {
    const bool is_lora = item.key().find("lora_") != std::string::npos;
    EXPECT_EQ(item.value().grad().defined(), is_lora) << item.key();
    adapted += is_lora;
  }
  EXPECT_GT(adapted, 0u);
}

INSTANTIATE_TEST_SUITE_P(Adapters, LoraModule,
                         testing::Values(Case{"gpt2", "gpt2"}, Case{"llama", "llama/gqa"},
                                         Case{"llama_one_layer", "llama/gqa"}),
                         [](const auto& info) { return info.param.adapter; });

TEST(LoraWeights, AnAdapterOfAnotherRankIsRefused) {
  const DecoderSource source = OpenDecoder(GoldenFolder("gpt2"));
  DecoderModule module = LoadDecoderModule(source);
  LoraConfig config;
  config.rank = 8;
  LoraWeights lora(config, source.config, module);
  EXPECT_ERROR(lora.Load(GoldenFolder("lora/gpt2")), ErrorCode::kInvalidArgument, "--lora-rank");
}

// Weights in 4 bits, and rows of q and k in the order of a GGUF file.
TEST(LoraAdapter, OnAGgufFileTheEngineAgreesWithTheModule) {
  const auto path = fs::path(RETRO_DEPS_DIR) / "models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
  const DecoderSource source = OpenDecoder(path);
  TempDir adapter;
  torch::manual_seed(5);
  {
    DecoderConfig config = source.config;
    DecoderModule shape(config, ModuleRopeFrequencies(source));
    LoraConfig options;
    options.rank = 8;
    options.alpha = 16;
    const LoraWeights lora(options, config, shape);
    torch::NoGradGuard no_grad;
    for (const auto& item : shape->named_parameters()) {
      if (item.key().ends_with("lora_b")) item.value().normal_(0, 0.02);
    }
    lora.Save(adapter.path());
  }
  const std::vector<TokenId> tokens = {504, 3575, 282, 4649, 314, 7042, 30, 198};
  const std::span<const TokenId> sequence = tokens;
  const auto expected = TorchDecoder(OpenDecoder(path, adapter.path())).Logits({&sequence, 1});
  const auto base = TorchDecoder(source).Logits({&sequence, 1});
  ThreadPool pool(2);
  const auto engine = LoadDecoder(path, pool, WeightPrecision::kAsStored, adapter.path());
  const auto cache = engine->NewCache(1, 16);
  std::vector<float> logits, all;
  for (const TokenId& token : tokens) {
    const SequenceInput input{0, {&token, 1}};
    engine->Forward(*cache, {&input, 1}, LogitsFor::kLastToken, logits, pool);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  const auto log_probs = [&](const std::vector<float>& of) {
    return torch::log_softmax(torch::tensor(of).view({std::ssize(tokens), -1}), 1);
  };
  EXPECT_LT((log_probs(all) - log_probs(expected)).abs().mean().item<double>(), 0.02);
  EXPECT_GT((log_probs(base) - log_probs(expected)).abs().mean().item<double>(), 0.1);
}

// Loss and gradients of examples in one row must be those of the examples one by one.
class Packed : public testing::TestWithParam<const char*> {};

torch::Tensor SumOfSquares(DecoderModule& module, const torch::Tensor& tokens, const PackedExamples& packed = {}) {
  return module->Logits(module->Hidden(tokens, packed)).square().sum();
}

std::vector<torch::Tensor> TakeGradients(DecoderModule& module) {
  std::vector<torch::Tensor> gradients;
  for (auto& parameter : module->parameters()) {
    gradients.push_back(parameter.grad().clone());
    parameter.mutable_grad().reset();
  }
  return gradients;
}

TEST_P(Packed, ExamplesHaveTheLossAndTheGradientsOfTheExamplesOneByOne) {
  const auto folder = GoldenFolder(GetParam());
  DecoderModule module = LoadDecoderModule(OpenDecoder(folder));
  const Sequences sequences = ReadSequences(folder / "tokens.json");  // 1, 7, 40 and 19 tokens
  double expected_loss = 0;
  for (const size_t i : {1u, 2u, 3u, 0u}) {
    const auto loss = SumOfSquares(module, torch::tensor(sequences[i], torch::kInt64).unsqueeze(0));
    loss.backward();
    expected_loss += loss.item<double>();
  }
  const auto expected = TakeGradients(module);
  std::vector<int64_t> row, positions;
  PackedExamples packed;
  packed.lens = {7, 40, 19, 1, 27};  // two rows of 47 tokens; the last 27 are padding
  for (const size_t i : {1u, 2u, 3u, 0u}) row.insert(row.end(), sequences[i].begin(), sequences[i].end());
  row.resize(2 * 47, 0);
  for (const int64_t len : packed.lens) {
    for (int64_t i = 0; i < len; ++i) positions.push_back(i);
  }
  packed.positions = torch::tensor(positions, torch::kInt64).view({2, 47});
  const auto hidden = module->Hidden(torch::tensor(row, torch::kInt64).view({2, 47}), packed);
  const auto loss = module->Logits(hidden.flatten(0, 1).slice(0, 0, 67)).square().sum();
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), expected_loss, 1e-5 * expected_loss);
  const auto actual = TakeGradients(module);
  double largest = 0;  // a bias of keys has no gradient but what rounding leaves of such numbers
  for (const torch::Tensor& gradient : expected) largest = std::max(largest, gradient.abs().max().item<double>());
  for (size_t i = 0; i < actual.size(); ++i) {
    const double scale = expected[i].abs().max().item<double>();
    EXPECT_LE((actual[i] - expected[i]).abs().max().item<double>(), 1e-4 * scale + 1e-6 * largest) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Packed, testing::Values("gpt2", "llama/gqa", "llama/llama3_rope"),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

}  // namespace
}  // namespace retro
