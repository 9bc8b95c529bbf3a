#include "training/train.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/interrupt.h"
#include "model/model_files.h"
#include "tests/testing/expect_error.h"
#include "tests/testing/file_size_limit.h"
#include "tests/training/training_run.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

TEST(Train, LearnsTheTextAndLeavesAModelThatOpens) {
  TrainingRun run;
  run.config.steps = 60;
  run.config.save_every = 1000;
  const TrainResult result = run.Train();
  EXPECT_EQ(result.step, 60);
  const auto metrics = run.Metrics();
  EXPECT_NEAR(metrics.front().at("loss").get<double>(), std::log(257.0), 0.1);  // knows nothing yet
  EXPECT_LT(metrics[59].at("loss").get<double>(), 2.9);
  ASSERT_TRUE(result.validation);
  EXPECT_LT(result.validation->off.loss, 2.9);
  EXPECT_EQ(metrics.back().at("valid").at("off").at("loss").get<double>(), result.validation->off.loss);
  const DecoderSource model = OpenDecoder(result.checkpoint);
  EXPECT_EQ(model.config.hidden_dim, 16);
  EXPECT_EQ(model.config.vocab_size, 257);
}

TEST(Train, BitsPerByteAreNatsOverTheTextsBytes) {
  TrainingRun run;
  run.config.steps = 1;
  run.Train();
  const auto metrics = run.Metrics().front();
  // Nearly every token is one byte; an end of text is none.
  const double bits_per_token = metrics.at("loss").get<double>() / std::log(2.0);
  EXPECT_GE(metrics.at("bpb").get<double>(), bits_per_token);
  EXPECT_LT(metrics.at("bpb").get<double>(), 1.05 * bits_per_token);
}

TEST(Train, TwoRunsOfOneSeedAreEqualAndOfAnotherAreNot) {
  TrainingRun one, same, other;
  other.config.seed = 1;
  for (TrainingRun* run : {&one, &same, &other}) run->Train();
  EXPECT_EQ(one.Metrics(), same.Metrics());
  EXPECT_EQ(ReadText(one.File(8, "model.safetensors")), ReadText(same.File(8, "model.safetensors")));
  EXPECT_NE(one.Metrics(), other.Metrics());
}

TEST(Train, AccumulatedStepsAreThoseOfOneLargeBatch) {
  TrainingRun two_by_two, four;
  four.config.data.batch_size = 4;
  four.config.data.accumulation = 1;
  two_by_two.Train();
  four.Train();
  const auto a = two_by_two.Metrics(), b = four.Metrics();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(a[i].at("loss").get<double>(), b[i].at("loss").get<double>(), 1e-3) << i;
    EXPECT_NEAR(a[i].at("grad_norm").get<double>(), b[i].at("grad_norm").get<double>(), 1e-2) << i;
  }
}

TEST(Train, RecomputedActivationsChangeNoNumber) {
  TrainingRun kept, recomputed;
  for (TrainingRun* run : {&kept, &recomputed}) run->config.optimizer.dropout = 0.2;
  recomputed.config.data.recompute = true;
  kept.Train();
  recomputed.Train();
  EXPECT_EQ(kept.Metrics(), recomputed.Metrics());
  EXPECT_EQ(ReadText(kept.File(8, "model.safetensors")), ReadText(recomputed.File(8, "model.safetensors")));
}

TEST(Train, DropoutActsOnTrainingOnly) {
  TrainingRun with, without;
  with.config.optimizer.dropout = 0.5;
  for (TrainingRun* run : {&with, &without}) {
    run->config.steps = 1;
    run->config.optimizer.learning_rate = 1e-12;
    run->Train();
  }
  EXPECT_NE(with.Metrics()[0].at("loss"), without.Metrics()[0].at("loss"));
  EXPECT_EQ(with.Metrics()[1].at("valid"), without.Metrics()[1].at("valid"));
}

// Everything that a run can have, for the tests of resuming.
void MakeRich(TrainingRun& run, bool neighbours) {
  run.config.optimizer.dropout = 0.1;
  run.config.data.corpora.push_back({.folder = run.MakeCorpus("second", 10, 2), .weight = 1, .max_epochs = 3});
  run.config.data.corpora[0].weight = 2;
  run.config.valid_every = 2;
  run.config.keep_best = true;
  if (neighbours) run.AddNeighbours();
}

class TrainResumed : public testing::TestWithParam<bool> {};

TEST_P(TrainResumed, AtAnyStepEqualsAnUnbrokenRunBitForBit) {
  TrainingRun unbroken;
  MakeRich(unbroken, GetParam());
  unbroken.Train();
  for (const int64_t killed_after : {1, 3, 5, 8}) {
    TrainingRun run;
    MakeRich(run, GetParam());
    EXPECT_THROW(run.Train(KillAfter(killed_after)), Killed);
    const TrainResult result = run.Train();
    EXPECT_FALSE(result.nothing_to_do);
    EXPECT_EQ(run.Metrics(), unbroken.Metrics()) << "killed after step " << killed_after;
    for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
      EXPECT_EQ(ReadText(run.File(8, name)), ReadText(unbroken.File(8, name))) << name << " after " << killed_after;
    }
  }
}

TEST_P(TrainResumed, TwiceInOneRunEqualsAnUnbrokenOne) {
  TrainingRun unbroken, run;
  MakeRich(unbroken, GetParam());
  MakeRich(run, GetParam());
  unbroken.Train();
  EXPECT_THROW(run.Train(KillAfter(4)), Killed);
  EXPECT_THROW(run.Train(KillAfter(7)), Killed);
  run.Train();
  EXPECT_EQ(run.Metrics(), unbroken.Metrics());
  EXPECT_EQ(ReadText(run.File(8, "model.safetensors")), ReadText(unbroken.File(8, "model.safetensors")));
}

INSTANTIATE_TEST_SUITE_P(Models, TrainResumed, testing::Bool(),
                         [](const auto& info) { return info.param ? "Retro" : "Gpt"; });

TEST(Train, AFinishedRunSaysThatThereIsNothingToDo) {
  TrainingRun run;
  run.Train();
  const std::string before = ReadText(run.File(8, "model.safetensors"));
  const TrainResult again = run.Train([](const StepMetrics&) { FAIL() << "it trained again"; });
  EXPECT_TRUE(again.nothing_to_do);
  EXPECT_EQ(again.checkpoint, run.Checkpoint(8).string());
  EXPECT_EQ(ReadText(run.File(8, "model.safetensors")), before);
}

TEST(Train, InterruptedItSavesACheckpointAndGoesOnFromIt) {
  TrainingRun unbroken, run;
  unbroken.Train();
  EXPECT_ERROR(run.Train([](const StepMetrics& metrics) { SetInterrupted(metrics.step == 5); }),
               ErrorCode::kUnavailable, "interrupted");
  SetInterrupted(false);
  EXPECT_TRUE(fs::exists(run.File(5, "manifest.json")));
  int64_t first = 0;
  run.Train([&](const StepMetrics& metrics) { first = first == 0 ? metrics.step : first; });
  EXPECT_EQ(first, 6);
  EXPECT_EQ(run.Metrics(), unbroken.Metrics());
}

TEST(Train, OtherOptionsDoNotGoOnWithItsCheckpoints) {
  TrainingRun run;
  EXPECT_THROW(run.Train(KillAfter(5)), Killed);
  TrainConfig other = run.config;
  other.optimizer.learning_rate = 0.5;
  other.seed = 7;
  EXPECT_ERROR(run.Train(other), ErrorCode::kInvalidArgument, "lr 0.5, was 0.01; seed 7, was 0");
  other = run.config;
  other.log_every = 1;  // is free to change
  other.save_every = 4;
  EXPECT_EQ(run.Train(other).step, 8);
}

TEST(Train, KeepsTheLastCheckpointsAndTheBest) {
  TrainingRun run;
  run.config.save_every = 1;
  run.config.keep_best = true;
  run.config.keep_last = 2;
  run.config.optimizer.learning_rate = 3;  // so large that the last step is not the best
  run.Train();
  std::map<double, int64_t> by_loss;
  for (const auto& line : run.Metrics()) {
    if (line.contains("valid")) by_loss.emplace(line["valid"]["off"]["bpb"], line["step"]);
  }
  const int64_t best = by_loss.begin()->second;
  ASSERT_LT(best, 7);
  for (int64_t step = 1; step <= 8; ++step) {
    EXPECT_EQ(fs::exists(run.Checkpoint(step)), step == best || step > 6) << step;
  }
}

// What differs between the weights of two checkpoints, by name.
std::vector<std::string> ChangedWeights(const fs::path& before, const fs::path& after) {
  const auto old_tensors = OpenTensors(before), new_tensors = OpenTensors(after);
  std::vector<std::string> changed;
  for (const std::string& name : new_tensors->Names()) {
    const TensorView* old_tensor = old_tensors->Find(name);
    if (old_tensor == nullptr || !std::ranges::equal(old_tensor->bytes, new_tensors->Find(name)->bytes)) {
      changed.push_back(name);
    }
  }
  return changed;
}

TEST(Train, ARetrofitOfAFrozenBaseChangesOnlyWhatIsNew) {
  TrainingRun base, retrofit;
  const std::string init_from = base.Train().checkpoint;
  retrofit.AddNeighbours();
  retrofit.config.model.init_from = init_from;
  retrofit.config.model.retro_options.gated = true;
  retrofit.config.optimizer.freeze = Frozen::kBase;
  const TrainResult result = retrofit.Train();
  ASSERT_TRUE(result.validation);
  EXPECT_NE(result.validation->off.loss, result.validation->on->loss);
  const std::vector<std::string> changed = ChangedWeights(init_from, result.checkpoint);
  EXPECT_THAT(changed, testing::Contains("retro.cca.1.gate"));
  EXPECT_THAT(changed, testing::Each(testing::StartsWith("retro.")));
  EXPECT_TRUE(OpenDecoder(result.checkpoint).config.retro.has_value());
}

TEST(TrainRefuses, ToFreezeABaseWithNothingBesideItToLearn) {
  TrainingRun base, frozen;
  frozen.config.model.init_from = base.Train().checkpoint;
  frozen.config.optimizer.freeze = Frozen::kBase;
  EXPECT_ERROR(frozen.Train(), ErrorCode::kInvalidArgument, "--retro");
}

// ---- what is damaged, too large, or does not belong together

TEST(TrainDamaged, ATruncatedCheckpointIsPutAsideAndTheOneBeforeItUsed) {
  TrainingRun unbroken, run;
  unbroken.Train();
  EXPECT_THROW(run.Train(KillAfter(7)), Killed);
  fs::resize_file(run.File(6, "optimizer.safetensors"), 100);
  int64_t first = 0;
  run.Train([&](const StepMetrics& metrics) { first = first == 0 ? metrics.step : first; });
  EXPECT_EQ(first, 4);
  EXPECT_TRUE(fs::exists(run.Checkpoint(6).string() + ".damaged"));
  EXPECT_EQ(run.Metrics(), unbroken.Metrics());
}

TEST(TrainDamaged, AFlippedBitAnywhereIsSeen) {
  for (const char* name :
       {"model.safetensors", "optimizer.safetensors", "training_state.json", "config.json", "manifest.json"}) {
    TrainingRun run;
    EXPECT_THROW(run.Train(KillAfter(7)), Killed);
    std::fstream file(run.File(6, name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(40);
    const char flipped = static_cast<char>(file.get() ^ 1);
    file.seekp(40);
    file.put(flipped);
    file.close();
    EXPECT_EQ(run.Train().step, 8);
    EXPECT_TRUE(fs::exists(run.Checkpoint(6).string() + ".damaged")) << name;
  }
}

TEST(TrainDamaged, WhenNoneIsWholeTheErrorNamesThem) {
  TrainingRun run;
  EXPECT_THROW(run.Train(KillAfter(5)), Killed);
  fs::remove(run.File(3, "model.safetensors"));
  EXPECT_ERROR(run.Train(), ErrorCode::kCorruption, "model.safetensors is missing");
}

TEST(TrainDamaged, AFullDiskLosesNoCheckpoint) {
  TrainingRun run;
  const auto limit_after_four = [limit = std::shared_ptr<FileSizeLimit>()](const StepMetrics& metrics) mutable {
    if (metrics.step == 4) limit = std::make_shared<FileSizeLimit>(20'000);
  };
  EXPECT_ERROR(run.Train(limit_after_four), ErrorCode::kIo, "step-000006.building/model.safetensors");
  EXPECT_TRUE(fs::exists(run.File(3, "manifest.json")));
  EXPECT_FALSE(fs::exists(run.Checkpoint(6)));
  EXPECT_FALSE(fs::exists(run.Checkpoint(6).string() + ".building"));
  EXPECT_EQ(run.Train().step, 8);
}

TEST(TrainDamaged, NotANumberStopsTheRun) {
  TrainingRun run;
  run.config.optimizer.learning_rate = 1e30;
  run.config.optimizer.clip_norm = 0;
  run.config.optimizer.warmup_steps = 0;
  run.config.save_every = 1;
  EXPECT_ERROR(run.Train(), ErrorCode::kUnavailable, "step 2: the loss is");
  EXPECT_FALSE(fs::exists(run.Checkpoint(2)));
}

TEST(TrainDamaged, SkippedStepsInARowEndTheRunAtLast) {
  TrainingRun run;
  run.config.optimizer.learning_rate = 1e30;
  run.config.optimizer.clip_norm = 0;
  run.config.optimizer.warmup_steps = 0;
  run.config.on_bad_step = BadStep::kSkip;
  run.config.steps = 100;
  EXPECT_ERROR(run.Train(), ErrorCode::kUnavailable, "steps in a row were skipped");
}

TEST(TrainDamaged, ASpikeIsSkippedOrStopsTheRunAsAsked) {
  TrainingRun skipping, stopping;
  for (TrainingRun* run : {&skipping, &stopping}) {
    run->config.steps = 80;
    run->config.optimizer.learning_rate = 1e-9;  // losses stay near their mean: half of them are above it
    run->config.spike_factor = 1;
  }
  EXPECT_ERROR(stopping.Train(), ErrorCode::kUnavailable, "the loss is");
  skipping.config.on_bad_step = BadStep::kSkip;
  skipping.Train();
  int skipped = 0;
  for (const auto& line : skipping.Metrics()) skipped += line.value("skipped", false) ? 1 : 0;
  EXPECT_GT(skipped, 3);
  EXPECT_LT(skipped, 28);  // none before there is a mean to judge by
}

TEST(TrainRefuses, ACorpusShorterThanASequence) {
  TrainingRun run;
  run.config.data.seq_len = 100'000;
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "corpus (part train): ");
}

TEST(TrainRefuses, ACorpusOfAnotherVocabulary) {
  TrainingRun run;
  run.tokenizer = ByteTokenizer(300);
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "another vocabulary");
}

TEST(TrainRefuses, MoreStepsThanTheEpochsAllow) {
  TrainingRun run;
  run.config.data.corpora[0].max_epochs = 0.05;
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "--max-epochs allows");
}

TEST(TrainRefuses, AFolderThatIsNotARuns) {
  TrainingRun run;
  WriteText(fs::path(run.config.out) / "thesis.txt", "mine");
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "no training run made");
  EXPECT_EQ(ReadText(fs::path(run.config.out) / "thesis.txt"), "mine");
}

TEST(TrainRefuses, ASequenceLongerThanTheModelsContext) {
  TrainingRun run;
  run.config.model.context_len = 16;
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "--seq-len 32 is longer than the model's context of 16");
}

TEST(TrainRefuses, KeepingTheBestOfNothingMeasured) {
  TrainingRun run;
  run.config.data.corpora[0].folder = run.MakeCorpus("all-train", 10, 3, 0.0);
  run.config.keep_best = true;
  EXPECT_ERROR(run.Train(), ErrorCode::kInvalidArgument, "--keep-best");
}

}  // namespace
}  // namespace retro
