// Fine-tuning on examples, and adapters.
#include <gmock/gmock.h>

#include "model/lora_adapter.h"
#include "model/model_files.h"
#include "tests/testing/expect_error.h"
#include "tests/training/chat_tokenizer.h"
#include "tests/training/training_run.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// A base of 258 tokens, and a run that fine-tunes it on questions whose answers repeat a word of theirs.
struct FineTuning {
  TrainingRun base, run;
  ChatTokenizer tokenizer;
  ChatTemplate chat = ChatMl();

  explicit FineTuning(const std::string& family = "llama", bool retro = false, int64_t base_steps = 2) {
    base.tokenizer = ByteTokenizer(258);
    base.config.data.corpora[0].folder = base.MakeCorpus("bytes", 30, 1);
    base.config.model.family = family;
    base.config.data.seq_len = 128;
    base.config.steps = base_steps;
    if (retro) base.AddNeighbours();
    const TrainResult trained = base.Train();
    run.config.model = ModelOptions();
    run.config.model.init_from = trained.checkpoint;
    run.config.data = {.corpora = {},
                       .examples = {{.path = MakeExamples("a", 60)}, {.path = MakeExamples("b", 40)}},
                       .valid_fraction = 0.1,
                       .seq_len = 128,
                       .batch_size = 2,
                       .accumulation = 2};
    run.config.lora.rank = 4;
    run.config.lora.dropout = 0.1;
  }

  std::string MakeExamples(const std::string& name, int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      const std::string words = WordsText(1 + i % 5, 100 + i);
      lines += nlohmann::json{{"prompt", words + name}, {"response", words}}.dump() + "\n";
    }
    WriteText(run.folder / (name + ".jsonl"), lines);
    return (run.folder / (name + ".jsonl")).string();
  }

  TrainResult Train(const StepObserver& observer = {}) { return Train(run.config, observer); }
  TrainResult Train(const TrainConfig& config, const StepObserver& observer = {}) {
    TrainInputs inputs;
    inputs.tokenizer = &tokenizer;
    inputs.databases.assign(config.data.corpora.size(), nullptr);
    inputs.num_threads = 1;
    inputs.chat = &chat;
    return retro::Train(config, inputs, observer);
  }
};

StepObserver KillAfter(int64_t step) {
  return [step](const StepMetrics& metrics) {
    if (metrics.step == step) throw Killed();
  };
}

class TrainLoraOf : public testing::TestWithParam<const char*> {};

TEST_P(TrainLoraOf, LearnsExamplesAndSavesTheAdapterAlone) {
  FineTuning tuning(GetParam(), false, 60);  // a frozen base that knows nothing keeps what can be learned small
  tuning.run.config.steps = 40;
  tuning.run.config.save_every = 1000;
  tuning.run.config.optimizer.learning_rate = 3e-2;
  const std::string before = ReadText(fs::path(tuning.run.config.model.init_from) / "model.safetensors");
  const TrainResult result = tuning.Train();
  const auto metrics = tuning.run.Metrics();
  EXPECT_LT(metrics[39].at("loss").get<double>(), metrics[0].at("loss").get<double>() - 0.3);
  ASSERT_TRUE(result.validation);
  EXPECT_TRUE(fs::exists(tuning.run.File(40, "adapter_model.safetensors")));
  EXPECT_FALSE(fs::exists(tuning.run.File(40, "model.safetensors")));
  EXPECT_EQ(ReadText(fs::path(tuning.run.config.model.init_from) / "model.safetensors"), before);
  EXPECT_NO_THROW(OpenDecoder(tuning.run.config.model.init_from, result.checkpoint));
}

TEST_P(TrainLoraOf, ResumedAtAnyStepEqualsAnUnbrokenRunBitForBit) {
  FineTuning unbroken(GetParam());
  unbroken.run.config.valid_every = 2;
  unbroken.Train();
  for (const int64_t killed_after : {1, 4, 8}) {
    FineTuning tuning(GetParam());
    tuning.run.config.valid_every = 2;
    EXPECT_THROW(tuning.Train(KillAfter(killed_after)), Killed);
    tuning.Train();
    EXPECT_EQ(tuning.run.Metrics(), unbroken.run.Metrics()) << killed_after;
    for (const char* name : {"adapter_model.safetensors", "optimizer.safetensors"}) {
      EXPECT_EQ(ReadText(tuning.run.File(8, name)), ReadText(unbroken.run.File(8, name))) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TrainLoraOf, testing::Values("gpt2", "llama"),
                         [](const auto& info) { return info.param; });

TEST(TrainLora, GoesOnWithAnAdapterGivenAndMergesOneWithoutARank) {
  FineTuning first;
  const std::string adapter = first.Train().checkpoint;
  TrainConfig next = first.run.config;
  next.model.adapter = adapter;
  next.optimizer.learning_rate = 1e-12;
  next.optimizer.dropout = next.lora.dropout = 0;
  next.steps = 1;
  next.out = (first.run.folder / "on").string();
  const double goes_on = first.Train(next).validation->off.loss;
  next.lora = {};
  next.out = (first.run.folder / "merged").string();
  const TrainResult merged = first.Train(next);
  EXPECT_NEAR(merged.validation->off.loss, goes_on, 1e-5);
  EXPECT_TRUE(fs::exists(fs::path(merged.checkpoint) / "model.safetensors"));
  next.model.adapter.clear();
  next.out = (first.run.folder / "without").string();
  EXPECT_GT(std::abs(first.Train(next).validation->off.loss - goes_on), 1e-3);
}

TEST(TrainLora, LearnsNextTokensAndBesideChunkedCrossAttention) {
  FineTuning tuning("llama", /*retro=*/true);
  TrainConfig config = tuning.base.config;
  config.model = ModelOptions();
  config.model.init_from = tuning.run.config.model.init_from;
  config.lora = tuning.run.config.lora;
  config.out = (tuning.run.folder / "text").string();
  const TrainResult result = tuning.base.Train(config);
  ASSERT_TRUE(result.validation && result.validation->on);
  EXPECT_TRUE(OpenDecoder(config.model.init_from, result.checkpoint).config.retro.has_value());
}

TEST(TrainLora, WithoutItExamplesTrainAllWeights) {
  FineTuning tuning;
  tuning.run.config.lora = {};
  EXPECT_TRUE(fs::exists(fs::path(tuning.Train().checkpoint) / "model.safetensors"));
}

TEST(TrainLora, PromptsCarryNoLoss) {
  // Answers alike, prompts not: what is learned must be one number a token whatever the prompts are.
  FineTuning tuning;
  const auto loss_of = [&](const std::string& prompt) {
    WriteText(tuning.run.folder / "one.jsonl", nlohmann::json{{"prompt", prompt}, {"response", "yes"}}.dump() + "\n");
    TrainConfig config = tuning.run.config;
    config.data.examples = {{.path = (tuning.run.folder / "one.jsonl").string()}};
    config.data.valid_fraction = 0;
    config.steps = 1;
    config.out = (tuning.run.folder / ("run" + prompt)).string();
    tuning.Train(config);
    std::istringstream metrics(ReadText(fs::path(config.out) / "metrics.jsonl"));
    std::string line;
    std::getline(metrics, line);
    // bits per byte are nats over the bytes of the targets: 4 targets ("yes" and the end of the turn) of 3 bytes.
    const auto json = nlohmann::json::parse(line);
    return json.at("bpb").get<double>() * std::log(2.0) / json.at("loss").get<double>();
  };
  EXPECT_NEAR(loss_of("short"), 4.0 / 3, 1e-6);
  EXPECT_NEAR(loss_of("a much longer prompt of other words"), 4.0 / 3, 1e-6);
}

TEST(TrainRefuses, ExamplesThatChangedWhenItGoesOn) {
  FineTuning tuning;
  EXPECT_THROW(tuning.Train(KillAfter(5)), Killed);
  tuning.MakeExamples("a", 61);
  EXPECT_ERROR(tuning.Train(), ErrorCode::kInvalidArgument, "have changed");
}

TEST(TrainRefuses, MoreStepsThanTheExamplesAllow) {
  FineTuning tuning;
  for (ExampleSource& source : tuning.run.config.data.examples) source.max_epochs = 0.1;
  EXPECT_ERROR(tuning.Train(), ErrorCode::kInvalidArgument, "--max-epochs");
}

TEST(TrainRefuses, AnAdapterWithARetrofit) {
  FineTuning tuning;
  tuning.run.config.model.retro = true;
  EXPECT_ERROR(tuning.Train(), ErrorCode::kInvalidArgument, "retrofit");
}

TEST(TrainRefuses, ATargetThatTheModelDoesNotHave) {
  FineTuning tuning;
  tuning.run.config.lora.targets = {"c_attn"};
  EXPECT_ERROR(tuning.Train(), ErrorCode::kInvalidArgument, "q_proj");
}

}  // namespace
}  // namespace retro
