#include "model/bert_config.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/model_files.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

using nlohmann::json;

constexpr const char* kPrefix = "sentence_transformers.models.";

class BertConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    Write("config.json", {{"model_type", "bert"},
                          {"vocab_size", 100},
                          {"hidden_size", 8},
                          {"num_hidden_layers", 2},
                          {"num_attention_heads", 2},
                          {"intermediate_size", 16},
                          {"max_position_embeddings", 64}});
  }
  void Write(const std::string& name, const json& value) const {
    std::filesystem::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name) << value;
  }
  void WriteModules(const std::vector<std::pair<std::string, std::string>>& modules) const {
    json list = json::array();
    for (const auto& [type, path] : modules) list.push_back({{"type", kPrefix + type}, {"path", path}});
    Write("modules.json", list);
  }
  BertConfig Load() const { return LoadBertConfig(dir_.path()); }
  void ExpectRefused(const std::string& text) const { EXPECT_ERROR(Load(), ErrorCode::kInvalidArgument, text); }

  TempDir dir_;
};

TEST_F(BertConfigTest, TheRealEncoderIsReadWithItsPooling) {
  const BertSource source = OpenBert(std::string(RETRO_DEPS_DIR) + "/models/all-MiniLM-L6-v2");
  EXPECT_EQ(source.config.hidden_dim, 384);
  EXPECT_EQ(source.config.num_layers, 6);
  EXPECT_EQ(source.config.max_positions, 512);
  EXPECT_EQ(source.config.max_len, 256);
  EXPECT_TRUE(source.config.normalize);
  EXPECT_EQ(source.names.layers.size(), 6u);
  EXPECT_EQ(source.tensors->Names().size(), 104u);
  const int64_t ffn[] = {1536, 384};
  EXPECT_EQ(source.tensors->Get(source.names.layers[5].ffn_up, ffn).type, DataType::kF32);
}

TEST_F(BertConfigTest, AFolderWithoutModulesIsPooledByTheMeanAndNotNormalized) {
  const BertConfig config = Load();
  EXPECT_FALSE(config.normalize);
  EXPECT_EQ(config.max_len, 64);
  EXPECT_EQ(config.num_token_types, 2);
  EXPECT_EQ(config.ffn, FeedForwardKind::kGelu);
}

TEST_F(BertConfigTest, TheLengthIsTheFirstThatAFileGives) {
  Write("tokenizer_config.json", {{"model_max_length", 1e30}});
  EXPECT_EQ(Load().max_len, 64);
  Write("tokenizer_config.json", {{"model_max_length", 40}});
  EXPECT_EQ(Load().max_len, 40);
  Write("sentence_bert_config.json", {{"max_seq_length", nullptr}});
  EXPECT_EQ(Load().max_len, 40);
  Write("sentence_bert_config.json", {{"max_seq_length", 32}});
  EXPECT_EQ(Load().max_len, 32);
  Write("sentence_bert_config.json", {{"max_seq_length", 0}});
  ExpectRefused("max_seq_length");
}

TEST_F(BertConfigTest, OnlyMeanPoolingIsTaken) {
  WriteModules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Normalize", "2_Normalize"}});
  EXPECT_ERROR(Load(), ErrorCode::kNotFound, "1_Pooling");
  Write("1_Pooling/config.json", {{"pooling_mode_cls_token", true}, {"pooling_mode_mean_tokens", false}});
  ExpectRefused("pooling_mode_cls_token is true");
  Write("1_Pooling/config.json", {{"word_embedding_dimension", 8}});
  ExpectRefused("pooling_mode_mean_tokens is not true");
  for (const json& mean : {json{{"pooling_mode_mean_tokens", true}}, json{{"pooling_mode", "mean"}}}) {
    Write("1_Pooling/config.json", mean);
    EXPECT_TRUE(Load().normalize);
  }
}

TEST_F(BertConfigTest, OtherModulesAndPathsAreRefused) {
  WriteModules({{"Transformer", ""}, {"Dense", "2_Dense"}});
  ExpectRefused("\"Dense\"");
  WriteModules({{"Transformer", "0_Transformer"}});
  ExpectRefused("0_Transformer");
  WriteModules({{"Pooling", "../other"}});
  ExpectRefused("leads out of");
}

TEST_F(BertConfigTest, WhatTheNetworkCannotComputeIsRefused) {
  const std::pair<const char*, json> changes[] = {{"model_type", "roberta"},
                                                  {"hidden_act", "relu"},
                                                  {"position_embedding_type", "relative_key"},
                                                  {"num_hidden_layers", 0},
                                                  {"layer_norm_eps", -1.0}};
  for (const auto& [field, value] : changes) {
    json config = json::parse(std::ifstream(dir_ / "config.json"));
    config[field] = value;
    EXPECT_ERROR(BertConfigFromJson(config, "config.json"), ErrorCode::kInvalidArgument, field);
  }
  json config = json::parse(std::ifstream(dir_ / "config.json"));
  config["num_attention_heads"] = 3;
  EXPECT_ERROR(BertConfigFromJson(config, "config.json"), ErrorCode::kInvalidArgument, "not a multiple of num_heads 3");
}

}  // namespace
}  // namespace retro
