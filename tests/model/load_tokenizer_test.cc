#include "model/load_tokenizer.h"

#include <fstream>

#include "tests/model/gguf_builder.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using testing::ElementsAre;

const std::filesystem::path kModels = std::filesystem::path(RETRO_DEPS_DIR) / "models";

class GgufTokenizerTest : public testing::Test {
 protected:
  // Bytes a, b and the space, the merge "ab", a control token and a user-defined one.
  GgufBuilder Tiny() const {
    GgufBuilder builder;
    builder.Strings("tokenizer.ggml.tokens", {"<eos>", "a", "b", "Ġ", "ab", "[x]"});
    builder.Strings("tokenizer.ggml.merges", {"a b"});
    std::vector<std::string> types;
    for (const int32_t type : {3, 1, 1, 1, 1, 4}) types.push_back(GgufBuilder::Bytes(type));
    builder.Array("tokenizer.ggml.token_type", GgufType::kInt32, types);
    return builder;
  }
  std::unique_ptr<Tokenizer> Load(const GgufBuilder& builder) const {
    std::filesystem::remove(dir_ / "m.gguf");
    std::ofstream(dir_ / "m.gguf", std::ios::binary) << builder.Build();
    return LoadTokenizer(dir_ / "m.gguf");
  }
  TempDir dir_;
};

TEST(LoadTokenizer, TheRealModelsTokenizerGivesTheReferencesIds) {
  const auto tokenizer = LoadTokenizer(kModels / "SmolLM2-135M-Instruct");
  EXPECT_EQ(tokenizer->vocab_size(), 49152u);
  EXPECT_EQ(tokenizer->kind(), "bpe");
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos, 2);
  EXPECT_THAT(tokenizer->Encode("Hello world 123\n\nfoo"), ElementsAre(19556, 905, 216, 33, 34, 35, 198, 198, 15236));
  EXPECT_THAT(tokenizer->Encode("<|im_start|>", {.parse_special = true}), ElementsAre(1));
  EXPECT_GT(tokenizer->Encode("<|im_start|>").size(), 1u);
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("naïve ☕ 日本")), "naïve ☕ 日本");
}

TEST(LoadTokenizer, AFolderInHuggingFaceLayoutIsRead) {
  EXPECT_EQ(LoadTokenizer(kModels / "all-MiniLM-L6-v2")->kind(), "wordpiece");
}

TEST(LoadTokenizer, AMissingPathIsNotFound) {
  EXPECT_ERROR(LoadTokenizer("/nowhere/model.gguf"), ErrorCode::kNotFound, "/nowhere/model.gguf");
}

TEST_F(GgufTokenizerTest, TokenTypesSayWhatIsSpecial) {
  const auto tokenizer = Load(Tiny().Text("tokenizer.ggml.model", "gpt2").Integer("tokenizer.ggml.eos_token_id", 0));
  EXPECT_THAT(tokenizer->Encode("ab[x] b"), ElementsAre(4, 5, 3, 2));
  EXPECT_THAT(tokenizer->Encode("a<eos>", {.parse_special = true}), ElementsAre(1, 0));
  EXPECT_TRUE(tokenizer->IsSpecial(0));
  EXPECT_FALSE(tokenizer->IsSpecial(5));
  EXPECT_EQ(tokenizer->special().eos, 0);
  EXPECT_THAT(tokenizer->Encode("a", {.add_special = true}), ElementsAre(1));
}

TEST_F(GgufTokenizerTest, TheFileSaysWhatTextsBeginAndEndWith) {
  GgufBuilder builder = Tiny().Text("tokenizer.ggml.model", "gpt2").Integer("tokenizer.ggml.bos_token_id", 0);
  builder.Integer("tokenizer.ggml.eos_token_id", 5);
  builder.Pair("tokenizer.ggml.add_bos_token", GgufType::kBool, "\x01");
  builder.Pair("tokenizer.ggml.add_eos_token", GgufType::kBool, "\x01");
  EXPECT_THAT(Load(builder)->Encode("a", {.add_special = true}), ElementsAre(0, 1, 5));
  EXPECT_THAT(Load(builder)->Encode("a"), ElementsAre(1));
}

TEST_F(GgufTokenizerTest, WhatIsNotSupportedOrWrongIsNamed) {
  EXPECT_ERROR(Load(Tiny().Text("tokenizer.ggml.model", "llama")), ErrorCode::kInvalidArgument,
               "tokenizer.ggml.model \"llama\"");
  EXPECT_ERROR(Load(Tiny()), ErrorCode::kCorruption, "tokenizer.ggml.model is missing");
  EXPECT_ERROR(Load(Tiny().Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "klingon")),
               ErrorCode::kInvalidArgument, "\"klingon\"");
  EXPECT_ERROR(Load(Tiny().Text("tokenizer.ggml.model", "gpt2").Integer("tokenizer.ggml.eos_token_id", 6)),
               ErrorCode::kCorruption, "tokenizer.ggml.eos_token_id is 6");
  GgufBuilder builder;
  builder.Text("tokenizer.ggml.model", "gpt2").Strings("tokenizer.ggml.tokens", {"a", "b"});
  builder.Strings("tokenizer.ggml.merges", {});
  builder.Array("tokenizer.ggml.token_type", GgufType::kInt32, {GgufBuilder::Bytes<int32_t>(1)});
  EXPECT_ERROR(Load(builder), ErrorCode::kCorruption, "1 entries for 2 tokens");
}

}  // namespace
}  // namespace retro
