// One step of training and one measurement on held-out batches: model, optimizer and schedule held together.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "training/batch.h"
#include "training/metrics.h"
#include "training/torch/adamw.h"
#include "training/torch/trainable_model.h"
#include "training/train_config.h"

namespace retro {

// One thread at a time.
class Trainer {
 public:
  // `token_bytes`: of every id, for bits per byte. Throws Error(kUnavailable) when the device or the precision is not
  // there.
  Trainer(const TrainConfig& config, TrainableModel model, std::vector<uint32_t> token_bytes);

  // Step `step`, from 0: config.accumulation batches of the source, one update. The random numbers of dropout depend on
  // seed and step only. The timing of the metrics is left empty. Throws Error(kUnavailable) on a bad step where
  // config.on_bad_step says so; nothing was changed then.
  StepMetrics Step(int64_t step, BatchSource& source);

  ValidationMetrics Validate(const std::vector<TrainingBatch>& batches, bool with_neighbours);

  const TrainableModel& model() const { return model_; }
  const AdamW& optimizer() const { return optimizer_; }

  // What Step() depends on besides weights and moments.
  nlohmann::json State() const;
  // Takes up a checkpoint's moments and State(). The weights are the constructor's model.
  void Resume(const std::filesystem::path& checkpoint, const nlohmann::json& state);

  // Share of the measured peak at this speed.
  double PeakShare(double tokens_per_second) const { return tokens_per_second * flops_per_token_ / peak_flops_; }

 private:
  struct Sums {
    double nats = 0;
    int64_t targets = 0;
    uint64_t bytes = 0;
  };

  Sums Count(const std::vector<TrainingBatch>& batches) const;
  torch::Tensor Loss(const TrainingBatch& batch, bool neighbours);
  double Accumulate(const std::vector<TrainingBatch>& batches, int64_t targets);
  bool IsBad(double loss, double norm) const;
  void Remember(double loss);
  void OnBadStep(const StepMetrics& metrics);
  ValidationMetrics::Arm MeasureArm(const std::vector<TrainingBatch>& batches, bool neighbours);

  const TrainConfig config_;
  TrainableModel model_;
  AdamW optimizer_;
  std::vector<uint32_t> token_bytes_;
  torch::ScalarType compute_;
  double flops_per_token_, peak_flops_;
  double mean_loss_ = 0;    // running, of good steps
  int64_t good_steps_ = 0;  // in it
  int64_t skipped_in_a_row_ = 0;
};

}  // namespace retro
