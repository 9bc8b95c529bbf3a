#include "model/decoder_config.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/gguf.h"
#include "tests/model/gguf_builder.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using nlohmann::json;

json Gpt2() {
  return {{"model_type", "gpt2"}, {"vocab_size", 50257}, {"n_embd", 768},      {"n_layer", 12},
          {"n_head", 12},         {"n_positions", 1024}, {"n_inner", nullptr}, {"activation_function", "gelu_new"}};
}

json Llama() {
  return {{"model_type", "llama"},     {"vocab_size", 128256},
          {"hidden_size", 2048},       {"num_hidden_layers", 16},
          {"num_attention_heads", 32}, {"num_key_value_heads", 8},
          {"intermediate_size", 8192}, {"max_position_embeddings", 131072}};
}

DecoderConfig Read(const json& config) { return DecoderConfigFromJson(config, "m/config.json"); }

json With(json config, const char* field, const json& value) {
  config[field] = value;
  return config;
}

void ExpectRefused(const json& config, const std::string& text) {
  EXPECT_ERROR(Read(config), ErrorCode::kInvalidArgument, text);
  EXPECT_ERROR(Read(config), ErrorCode::kInvalidArgument, "m/config.json");
}

TEST(DecoderConfig, Gpt2HasItsDefaults) {
  const DecoderConfig config = Read(Gpt2());
  EXPECT_EQ(config.family, "gpt2");
  EXPECT_EQ(config.ffn_dim, 4 * 768);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.num_kv_heads, 12);
  EXPECT_EQ(config.context_len, 1024);
  EXPECT_EQ(config.norm, NormKind::kLayerNorm);
  EXPECT_EQ(config.position, PositionKind::kLearned);
  EXPECT_EQ(config.ffn, FeedForwardKind::kGeluTanh);
  EXPECT_FLOAT_EQ(config.norm_eps, 1e-5f);
  EXPECT_TRUE(config.attention_bias && config.ffn_bias && config.tied_embeddings);
  EXPECT_EQ(Read(With(Gpt2(), "activation_function", "gelu")).ffn, FeedForwardKind::kGelu);
  EXPECT_EQ(Read(With(Gpt2(), "n_inner", 100)).ffn_dim, 100);
}

TEST(DecoderConfig, LlamaHasItsDefaults) {
  const DecoderConfig config = Read(Llama());
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.num_kv_heads, 8);
  EXPECT_FLOAT_EQ(config.rope_base, 10000);
  EXPECT_FLOAT_EQ(config.norm_eps, 1e-6f);
  EXPECT_FALSE(config.attention_bias || config.ffn_bias || config.tied_embeddings || config.rope_scaling);
  EXPECT_EQ(Read(With(Llama(), "head_dim", 128)).head_dim, 128);
  EXPECT_TRUE(Read(With(Llama(), "tie_word_embeddings", true)).tied_embeddings);
  EXPECT_TRUE(Read(With(Llama(), "attention_bias", true)).attention_bias);
  EXPECT_TRUE(Read(With(Llama(), "mlp_bias", true)).ffn_bias);
}

TEST(DecoderConfig, RopeSettingsAreReadInTheOldAndTheNewForm) {
  EXPECT_FLOAT_EQ(Read(With(Llama(), "rope_theta", 500000.0)).rope_base, 500000);
  const json scaling = {{"factor", 32.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 4096},
                        {"rope_type", "llama3"}};
  const DecoderConfig old_form = Read(With(Llama(), "rope_scaling", scaling));
  ASSERT_TRUE(old_form.rope_scaling);
  EXPECT_FLOAT_EQ(old_form.rope_scaling->factor, 32);
  EXPECT_EQ(old_form.rope_scaling->original_context_len, 4096);
  const DecoderConfig new_form = Read(With(Llama(), "rope_parameters", With(scaling, "rope_theta", 500000.0)));
  ASSERT_TRUE(new_form.rope_scaling);
  EXPECT_FLOAT_EQ(new_form.rope_base, 500000);
  EXPECT_FALSE(Read(With(Llama(), "rope_scaling", nullptr)).rope_scaling);
  EXPECT_FALSE(Read(With(Llama(), "rope_parameters", {{"rope_type", "default"}})).rope_scaling);
  ExpectRefused(With(Llama(), "rope_scaling", {{"type", "linear"}, {"factor", 2.0}}), "rope_type \"linear\"");
  ExpectRefused(With(Llama(), "rope_scaling", With(scaling, "low_freq_factor", 8.0)), "high_freq_factor");
  ExpectRefused(With(Llama(), "rope_scaling", With(scaling, "factor", 0)), "factor is 0");
}

TEST(DecoderConfig, AFieldThatIsMissingOrOutOfRangeIsNamed) {
  json missing = Llama();
  missing.erase("hidden_size");
  ExpectRefused(missing, "hidden_size is missing");
  for (const json& value :
       {json(0), json(-1), json(1e300), json("12"), json(1.5), json(uint64_t{1} << 63), json({1})}) {
    ExpectRefused(With(Llama(), "num_hidden_layers", value), "num_hidden_layers is " + value.dump());
    ExpectRefused(With(Gpt2(), "vocab_size", value), "vocab_size is " + value.dump());
  }
  ExpectRefused(With(Llama(), "rms_norm_eps", -1e-5), "rms_norm_eps");
  ExpectRefused(With(Llama(), "rope_theta", 1e300), "rope_theta");
  ExpectRefused(With(Llama(), "tie_word_embeddings", 1), "tie_word_embeddings must be true or false");
  ExpectRefused(json::array(), "not a JSON object");
}

TEST(DecoderConfig, WhatTheNetworkCannotComputeIsRefused) {
  ExpectRefused(With(Llama(), "model_type", "qwen2"), "model_type is \"qwen2\"");
  ExpectRefused(With(Llama(), "hidden_act", "relu"), "hidden_act");
  ExpectRefused(With(Llama(), "partial_rotary_factor", 0.5), "partial_rotary_factor");
  ExpectRefused(With(Llama(), "num_key_value_heads", 5), "num_heads 32 is not a multiple of num_kv_heads 5");
  ExpectRefused(With(Llama(), "head_dim", 63), "head_dim 63 is odd");
  ExpectRefused(With(Gpt2(), "n_head", 11), "hidden_dim 768 is not a multiple of num_heads 11");
  ExpectRefused(With(Gpt2(), "activation_function", "relu"), "activation_function");
  ExpectRefused(With(Gpt2(), "scale_attn_by_inverse_layer_idx", true), "scale_attn_by_inverse_layer_idx");
  ExpectRefused(With(Gpt2(), "scale_attn_weights", false), "scale_attn_weights");
}

class GgufConfigTest : public testing::Test {
 protected:
  GgufBuilder Llama() const {
    GgufBuilder builder;
    builder.Text("general.architecture", "llama").Integer("llama.block_count", 2).Integer("llama.context_length", 64);
    builder.Integer("llama.embedding_length", 8).Integer("llama.feed_forward_length", 12);
    builder.Integer("llama.attention.head_count", 4).Float("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    return builder;
  }
  DecoderConfig Read(const GgufBuilder& builder) const {
    std::filesystem::remove(dir_ / "m.gguf");
    std::ofstream(dir_ / "m.gguf", std::ios::binary) << builder.Build();
    return DecoderConfigFromGguf(GgufFile(dir_ / "m.gguf"));
  }
  TempDir dir_;
};

TEST_F(GgufConfigTest, LlamaIsReadFromMetadata) {
  const DecoderConfig config = Read(Llama()
                                        .Integer("llama.attention.head_count_kv", 2)
                                        .Float("llama.rope.freq_base", 5000)
                                        .Ones("token_embd.weight", {8, 10})
                                        .Ones("output.weight", {8, 10}));
  EXPECT_EQ(config.family, "llama");
  EXPECT_EQ(config.vocab_size, 10);
  EXPECT_EQ(config.num_layers, 2);
  EXPECT_EQ(config.head_dim, 2);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.ffn_dim, 12);
  EXPECT_FLOAT_EQ(config.rope_base, 5000);
  EXPECT_FALSE(config.tied_embeddings);
  EXPECT_TRUE(Read(Llama().Ones("token_embd.weight", {8, 10})).tied_embeddings);
}

TEST_F(GgufConfigTest, Gpt2IsReadFromMetadata) {
  GgufBuilder builder;
  builder.Text("general.architecture", "gpt2").Integer("gpt2.block_count", 2).Integer("gpt2.context_length", 64);
  builder.Integer("gpt2.embedding_length", 8).Integer("gpt2.feed_forward_length", 32);
  builder.Integer("gpt2.attention.head_count", 4).Float("gpt2.attention.layer_norm_epsilon", 1e-5f);
  const DecoderConfig config = Read(builder.Ones("token_embd.weight", {8, 10}));
  EXPECT_EQ(config.family, "gpt2");
  EXPECT_EQ(config.ffn, FeedForwardKind::kGeluTanh);
  EXPECT_EQ(config.position, PositionKind::kLearned);
  EXPECT_TRUE(config.attention_bias);
}

TEST_F(GgufConfigTest, AKeyThatIsMissingOrWrongIsNamed) {
  const auto embedded = [this] { return Llama().Ones("token_embd.weight", {8, 10}); };
  EXPECT_ERROR(Read(Llama()), ErrorCode::kCorruption, "token_embd.weight is missing");
  EXPECT_ERROR(Read(GgufBuilder()), ErrorCode::kCorruption, "general.architecture is missing");
  EXPECT_ERROR(Read(GgufBuilder().Text("general.architecture", "qwen2")), ErrorCode::kInvalidArgument, "\"qwen2\"");
  EXPECT_ERROR(Read(embedded().Integer("llama.attention.head_count_kv", 0)), ErrorCode::kCorruption,
               "llama.attention.head_count_kv is 0");
  EXPECT_ERROR(Read(embedded().Float("llama.rope.freq_base", -1)), ErrorCode::kCorruption,
               "llama.rope.freq_base is -1");
  EXPECT_ERROR(Read(embedded().Integer("llama.rope.dimension_count", 1)), ErrorCode::kInvalidArgument,
               "llama.rope.dimension_count is 1");
  EXPECT_ERROR(Read(embedded().Text("llama.rope.scaling.type", "yarn")), ErrorCode::kInvalidArgument, "\"yarn\"");
  EXPECT_ERROR(Read(embedded().Integer("llama.expert_count", 8)), ErrorCode::kInvalidArgument, "experts");
}

}  // namespace
}  // namespace retro
