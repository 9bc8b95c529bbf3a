#include "training/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {
namespace {

StepMetrics At(int64_t step) {
  StepMetrics metrics;
  metrics.step = step;
  metrics.loss = 1.0 / 3;
  return metrics;
}

std::string Lines(const TempDir& folder) { return ReadText(folder / "metrics.jsonl"); }

TEST(MetricsLog, NumbersComeBackAsTheyWere) {
  const TempDir folder;
  MetricsLog(folder.path(), 0).Add(At(1));
  EXPECT_EQ(nlohmann::json::parse(Lines(folder)).at("loss").get<double>(), 1.0 / 3);
}

TEST(MetricsLog, AResumedRunDropsWhatWasWrittenAfterItsCheckpoint) {
  const TempDir folder;
  {
    MetricsLog log(folder.path(), 0);
    for (int64_t step = 1; step <= 4; ++step) log.Add(At(step));
  }
  const std::string all = Lines(folder);
  WriteText(folder / "metrics.jsonl", all + "{\"step\": 5, \"lo");  // killed while writing
  MetricsLog(folder.path(), 2).Add(At(3));
  const std::string kept = Lines(folder);
  EXPECT_EQ(kept, all.substr(0, kept.size()));
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '\n'), 3);
}

TEST(MetricsLog, ANewRunBeginsANewFile) {
  const TempDir folder;
  MetricsLog(folder.path(), 0).Add(At(1));
  MetricsLog(folder.path(), 0).Add(At(1));
  const std::string text = Lines(folder);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Line, SaysWhatAPersonWatches) {
  StepMetrics metrics = At(7);
  metrics.bits_per_byte = 1.5;
  metrics.learning_rate = 3e-4;
  metrics.gradient_norm = 0.75;
  metrics.tokens_per_second = 12345;
  metrics.peak_share = 0.58;
  metrics.seconds_left = 90;
  EXPECT_EQ(
      Line(metrics, 100),
      "step 7/100  loss 0.3333  bpb 1.5000  lr 3.00e-04  grad 0.750  12,345 tokens/s  58 % of peak  1:30 min left");
  ValidationMetrics validation{.step = 7, .off = {2, 1}, .on = ValidationMetrics::Arm{1.5, 0.75}};
  EXPECT_EQ(Line(validation),
            "step 7  validation  with neighbours: loss 1.5000  bpb 0.7500  without:  loss 2.0000  bpb 1.0000");
}

}  // namespace
}  // namespace retro
