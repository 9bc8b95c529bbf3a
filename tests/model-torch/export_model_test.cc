#include "model/torch/export_model.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "datasets/tokenizer_export.h"
#include "model/export_tokenizer.h"
#include "model/load_tokenizer.h"
#include "model/safetensors.h"
#include "model/torch/retro_module_weights.h"
#include "model/torch/torch_decoder.h"
#include "tests/model-torch/written_tokenizer.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/golden.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

const fs::path kSmolLm2 = fs::path(RETRO_DEPS_DIR) / "models/SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

class ExportedGolden : public testing::TestWithParam<const char*> {
 protected:
  ExportedModel Export(DataType type) {
    return ExportModel(folder_, dir_ / "out", {.type = type, .tokenizer = WriteByteTokenizer(dir_)});
  }
  std::vector<float> Logits(const fs::path& model) {
    const Sequences sequences = ReadSequences(folder_ / "tokens.json");
    return TorchDecoder(OpenDecoder(model)).Logits(Spans(sequences));
  }

  fs::path folder_ = GoldenFolder(GetParam());
  TempDir dir_;
};

TEST_P(ExportedGolden, InF32HasTheSameLogits) {
  const ExportedModel exported = Export(DataType::kF32);
  EXPECT_EQ(exported.weight_bytes, 4 * exported.num_parameters);
  EXPECT_EQ(Logits(dir_ / "out"), Logits(folder_));
  EXPECT_FALSE(fs::exists(dir_ / "out.building"));
}

TEST_P(ExportedGolden, In16BitsHasNearlyTheSame) {
  Export(DataType::kBF16);
  const auto config = nlohmann::json::parse(ReadFile(dir_ / "out/config.json"));
  EXPECT_EQ(config.at("dtype"), "bfloat16");
  const auto tensors = OpenTensors(dir_ / "out");
  for (const std::string& name : tensors->Names()) EXPECT_EQ(tensors->Find(name)->type, DataType::kBF16) << name;
  ExpectNear(Logits(dir_ / "out"), Logits(folder_), 0.1f);
}

INSTANTIATE_TEST_SUITE_P(Families, ExportedGolden, testing::Values("gpt2", "llama/gqa", "llama/llama3_rope"),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

TEST(ExportModel, KeepsWhatChunkedCrossAttentionAdds) {
  TempDir dir;
  const fs::path folder = GoldenFolder("retro/llama");
  ExportModel(folder, dir / "out", {.tokenizer = WriteByteTokenizer(dir)});
  const DecoderSource before = OpenDecoder(folder), after = OpenDecoder(dir / "out");
  EXPECT_EQ(after.config.retro, before.config.retro);
  const auto expected = RetroTensors(LoadRetroModule(before)), actual = RetroTensors(LoadRetroModule(after));
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_TRUE(torch::equal(actual[i].second, expected[i].second));
}

TEST(ExportModel, OfAnAdapterWritesTheAdapterAloneInHalfTheBytes) {
  TempDir dir;
  const fs::path adapter = GoldenFolder("lora") / "gpt2";
  const ExportedModel exported = ExportModel(adapter, dir / "out", {.type = DataType::kBF16});
  EXPECT_EQ(ReadFile(dir / "out/adapter_config.json"), ReadFile(adapter / "adapter_config.json"));
  const SafetensorsFile before(adapter / "adapter_model.safetensors"), after(dir / "out/adapter_model.safetensors");
  ASSERT_EQ(after.Names(), before.Names());
  EXPECT_EQ(exported.weight_bytes, 2 * exported.num_parameters);
  for (const std::string& name : after.Names()) {
    EXPECT_EQ(after.Find(name)->type, DataType::kBF16);
    const std::vector<float> rounded = Dequantize(*after.Find(name)), exact = Dequantize(*before.Find(name));
    ASSERT_EQ(rounded.size(), exact.size());
    for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(rounded[i], exact[i], std::abs(exact[i]) / 256);
  }
  EXPECT_ERROR(ExportModel(adapter, dir / "other", {.tokenizer = adapter}), ErrorCode::kInvalidArgument, "adapter");
}

TEST(ExportModel, LeavesAnExistingFolderAlone) {
  TempDir dir;
  fs::create_directory(dir / "out");
  WriteFileAtomically(dir / "out/thesis.txt", "mine");
  EXPECT_ERROR(ExportModel(GoldenFolder("gpt2"), dir / "out", {.tokenizer = WriteByteTokenizer(dir)}),
               ErrorCode::kInvalidArgument, "exists already");
  EXPECT_EQ(ReadFile(dir / "out/thesis.txt"), "mine");
}

TEST(ExportModel, OnAFullDiskLeavesNothing) {
  TempDir dir;
  const fs::path tokenizer = WriteByteTokenizer(dir);
  const FileSizeLimit limit(5'000);
  EXPECT_ERROR(ExportModel(GoldenFolder("gpt2"), dir / "out", {.tokenizer = tokenizer}), ErrorCode::kIo,
               "model.safetensors");
  EXPECT_FALSE(fs::exists(dir / "out"));
  EXPECT_FALSE(fs::exists(dir / "out.building"));
}

TEST(ExportModel, ATokenizerOfAnotherModelIsRefused) {
  TempDir dir;
  EXPECT_ERROR(ExportModel(GoldenFolder("gpt2"), dir / "out", {.tokenizer = kSmolLm2}), ErrorCode::kInvalidArgument,
               "do not belong together");
  EXPECT_ERROR(ExportModel(GoldenFolder("gpt2"), dir / "out"), ErrorCode::kNotFound, "tokenizer");
}

TEST(ExportTokenizer, AGgufFilesVocabularyGivesTheSameIds) {
  TempDir dir;
  const auto before = LoadTokenizer(kSmolLm2);
  ExportTokenizer(kSmolLm2, *before, 2048, dir.path());
  const auto after = LoadTokenizer(dir.path());
  EXPECT_EQ(after->fingerprint(), before->fingerprint());
  const std::string text = "<|im_start|>user\nIn 1905, it's 3.14 \xC3\xA9t\xC3\xA9   x\n\n<|im_end|>";
  for (const bool special : {false, true}) {
    EXPECT_EQ(after->Encode(text, {.parse_special = special}), before->Encode(text, {.parse_special = special}));
  }
  EXPECT_EQ(after->special().eos, before->special().eos);
  const auto config = nlohmann::json::parse(ReadFile(dir / "tokenizer_config.json"));
  EXPECT_TRUE(config.at("chat_template").get<std::string>().starts_with("{%"));
  const auto generation = nlohmann::json::parse(ReadFile(dir / "generation_config.json"));
  EXPECT_EQ(generation.at("bos_token_id"), 1);
}

}  // namespace
}  // namespace retro
