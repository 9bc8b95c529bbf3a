#include "training/train_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/testing/expect_error.h"

namespace retro {
namespace {

TrainConfig Valid() {
  TrainConfig config;
  config.out = "out";
  config.steps = 10;
  config.model.tokenizer = "tokenizer.json";
  config.data.corpora = {{.folder = "corpus"}};
  return config;
}

TEST(TrainConfig, EachImpossibleValueIsRefusedByItsOption) {
  const std::vector<std::pair<std::string, std::function<void(TrainConfig&)>>> cases = {
      {"--out", [](TrainConfig& c) { c.out.clear(); }},
      {"--steps is 0", [](TrainConfig& c) { c.steps = 0; }},
      {"--corpus", [](TrainConfig& c) { c.data.corpora.clear(); }},
      {"--tokenizer", [](TrainConfig& c) { c.model.tokenizer.clear(); }},
      {"--family is \"bert\"", [](TrainConfig& c) { c.model.family = "bert"; }},
      {"--layers is 0", [](TrainConfig& c) { c.model.num_layers = 0; }},
      {"--width is -8", [](TrainConfig& c) { c.model.hidden_dim = -8; }},
      {"--heads is 0", [](TrainConfig& c) { c.model.num_heads = 0; }},
      {"--seq-len is 1", [](TrainConfig& c) { c.data.seq_len = 1; }},
      {"--batch-size is 0", [](TrainConfig& c) { c.data.batch_size = 0; }},
      {"--accumulation is -1", [](TrainConfig& c) { c.data.accumulation = -1; }},
      {"--neighbours-warmup is -1", [](TrainConfig& c) { c.data.neighbours_warmup = -1; }},
      {"--rank-timeout is 0", [](TrainConfig& c) { c.rank_timeout_s = 0; }},
      {"--weight of corpus is -1", [](TrainConfig& c) { c.data.corpora[0].weight = -1; }},
      {"--max-epochs of corpus is -2", [](TrainConfig& c) { c.data.corpora[0].max_epochs = -2; }},
      {"--db is missing for corpus", [](TrainConfig& c) { c.data.corpora[0].neighbours = "table"; }},
      {"--weight must be above 0 for every",
       [](TrainConfig& c) {
         c.data.corpora = {{.weight = 1}, {.weight = 0}};
       }},
      {"--lr is 0", [](TrainConfig& c) { c.optimizer.learning_rate = 0; }},
      {"--lr is nan", [](TrainConfig& c) { c.optimizer.learning_rate = std::nan(""); }},
      {"--beta1 is 1", [](TrainConfig& c) { c.optimizer.beta1 = 1; }},
      {"--dropout is 1", [](TrainConfig& c) { c.optimizer.dropout = 1; }},
      {"--freeze base needs --init-from", [](TrainConfig& c) { c.optimizer.freeze = Frozen::kBase; }},
      {"--corpus and --examples", [](TrainConfig& c) { c.data.examples = {{.path = "examples.jsonl"}}; }},
      {"--examples needs --init-from",
       [](TrainConfig& c) {
         c.data.corpora.clear();
         c.data.examples = {{.path = "examples.jsonl"}};
       }},
      {"--lora-rank is -1", [](TrainConfig& c) { c.lora.rank = -1; }},
      {"--lora-rank needs --init-from", [](TrainConfig& c) { c.lora.rank = 8; }},
      {"--lora-alpha", [](TrainConfig& c) { c.lora.alpha = 8; }},
      {"--adapter needs --init-from", [](TrainConfig& c) { c.model.adapter = "adapter"; }},
      {"--lora-dropout is 1",
       [](TrainConfig& c) {
         c.model.init_from = "model";
         c.lora.rank = 8;
         c.lora.dropout = 1;
       }},
      {"--save-every is 0", [](TrainConfig& c) { c.save_every = 0; }},
      {"--keep-last is 0", [](TrainConfig& c) { c.keep_last = 0; }},
      {"--spike-factor is 0.5", [](TrainConfig& c) { c.spike_factor = 0.5; }},
      {"--keep-best needs validation",
       [](TrainConfig& c) {
         c.keep_best = true;
         c.valid_sequences = 0;
       }},
      {"--seq-len 500 is not a multiple of --chunk-len 64",
       [](TrainConfig& c) {
         c.model.retro = true;
         c.data.seq_len = 500;
       }},
  };
  for (const auto& [text, spoil] : cases) {
    TrainConfig config = Valid();
    spoil(config);
    EXPECT_ERROR(config.Validate(), ErrorCode::kInvalidArgument, text);
  }
  EXPECT_NO_THROW(Valid().Validate());
}

TEST(TrainConfig, DifferencesAreNamedWhereTheyChangeTheNumbers) {
  const TrainConfig before = Valid();
  TrainConfig now = before;
  now.save_every = 1;
  now.keep_best = true;
  EXPECT_THAT(DifferingOptions(ToJson(before), ToJson(now)), testing::IsEmpty());
  now.data.corpora[0].weight = 2;
  now.model.num_layers = 7;
  EXPECT_THAT(DifferingOptions(ToJson(before), ToJson(now)),
              testing::ElementsAre(testing::HasSubstr("\"weight\":2"), "layers 7, was 6"));
}

TEST(TrainConfig, AStepIsTheSameHoweverManyRanksShareIt) {
  TrainConfig alone = Valid(), four = Valid();
  alone.data.accumulation = 8;
  four.data.accumulation = 2;
  four.num_ranks = 4;
  four.shard_optimizer = true;
  EXPECT_EQ(alone.TokensPerStep(), four.TokensPerStep());
  EXPECT_THAT(DifferingOptions(ToJson(alone), ToJson(four)), testing::IsEmpty());
  four.num_ranks = 2;
  EXPECT_THAT(DifferingOptions(ToJson(alone), ToJson(four)), testing::ElementsAre("accumulation 4, was 8"));
}

TEST(TrainConfig, AnOptionThatASavedRunDidNotKnowHadItsDefault) {
  nlohmann::json saved = ToJson(Valid());
  saved.erase("neighbours-warmup");
  TrainConfig now = Valid();
  EXPECT_THAT(DifferingOptions(saved, ToJson(now)), testing::IsEmpty());
  now.data.neighbours_warmup = 5;
  EXPECT_THAT(DifferingOptions(saved, ToJson(now)), testing::ElementsAre("neighbours-warmup 5, was 0"));
}

TEST(NewDecoderConfig, TakesWhatIsNotSaidFromTheRest) {
  TrainConfig config = Valid();
  config.model.hidden_dim = 384;
  config.model.num_heads = 6;
  config.data.seq_len = 256;
  const DecoderConfig llama = NewDecoderConfig(config, 1000);
  EXPECT_EQ(llama.Validate(), "");
  EXPECT_EQ(llama.num_kv_heads, 6);
  EXPECT_EQ(llama.head_dim, 64);
  EXPECT_EQ(llama.ffn_dim, 1024);
  EXPECT_EQ(llama.context_len, 256);
  config.model.family = "gpt2";
  const DecoderConfig gpt2 = NewDecoderConfig(config, 1000);
  EXPECT_EQ(gpt2.ffn_dim, 1536);
  EXPECT_EQ(gpt2.norm, NormKind::kLayerNorm);
  EXPECT_TRUE(gpt2.attention_bias);
}

TEST(NewDecoderConfig, SizesThatCannotBeAreNamed) {
  TrainConfig config = Valid();
  config.model.hidden_dim = 100;
  config.model.num_heads = 3;
  EXPECT_ERROR(NewDecoderConfig(config, 10), ErrorCode::kInvalidArgument, "--width 100 is not a multiple of --heads 3");
  config.model.num_heads = 4;
  EXPECT_ERROR(NewDecoderConfig(config, 10), ErrorCode::kInvalidArgument, "head_dim 25 is odd");
  config.model.hidden_dim = 96;
  config.model.num_kv_heads = 3;
  EXPECT_ERROR(NewDecoderConfig(config, 10), ErrorCode::kInvalidArgument, "not a multiple of num_kv_heads 3");
  config.model.family = "gpt2";
  EXPECT_ERROR(NewDecoderConfig(config, 10), ErrorCode::kInvalidArgument, "--kv-heads 3");
  config = Valid();
  config.model.retro = true;
  config.model.retro_options.cca_layers = {9};
  EXPECT_ERROR(NewDecoderConfig(config, 10), ErrorCode::kInvalidArgument, "cca_layers");
}

TEST(NewRetroConfig, TheEncoderIsOfTheDecodersShapeUnlessTold) {
  TrainConfig config = Valid();
  config.model.num_heads = 4;
  config.model.num_kv_heads = 2;
  config.model.retro = true;
  const DecoderConfig decoder = NewDecoderConfig(config, 10);
  const RetroConfig& retro = *decoder.retro;
  EXPECT_EQ(retro.neighbour_len, 128);
  EXPECT_THAT(retro.cca_layers, testing::ElementsAre(5));
  EXPECT_EQ(retro.encoder.hidden_dim, 256);
  EXPECT_EQ(retro.encoder.num_kv_heads, 2);
  EXPECT_EQ(retro.encoder.ffn_dim, decoder.ffn_dim);
  RetroOptions narrow = config.model.retro_options;
  narrow.encoder_dim = 128;
  EXPECT_EQ(NewRetroConfig(narrow, decoder).encoder.num_heads, 2);
  narrow.encoder_heads = 3;
  EXPECT_ERROR(NewRetroConfig(narrow, decoder), ErrorCode::kInvalidArgument,
               "--encoder-width 128 is not a multiple of --encoder-heads 3");
}

}  // namespace
}  // namespace retro
