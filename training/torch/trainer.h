// One step of training and one measurement on held-out batches: model, optimizer and schedule held together.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/communicator.h"
#include "training/batch.h"
#include "training/metrics.h"
#include "training/torch/adamw.h"
#include "training/torch/gradient_reducer.h"
#include "training/torch/trainable_model.h"
#include "training/train_config.h"

namespace retro {

// One thread at a time. With several ranks all of them call the same methods, and all get the same results.
class Trainer {
 public:
  // `token_bytes`: of every id, for bits per byte. `communicator` must live as long, and every rank's model must be the
  // same. From then on the process keeps the memory that it frees. Throws Error(kUnavailable) when the device or the
  // precision is not there.
  Trainer(const TrainConfig& config, TrainableModel model, std::vector<uint32_t> token_bytes,
          Communicator& communicator);

  // Step `step`, from 0: config.PassesPerStep() batches of the source, one update. Rank r of W takes the batches r,
  // W + r, 2 W + r, … of them, so that the step is the same, but for the order of sums, however many ranks there are.
  // The random numbers of dropout depend on the seed and on the batch's place in the run only. The timing of the
  // metrics is left empty. Throws Error(kUnavailable) on a bad step where config.on_bad_step says so; nothing was
  // changed then.
  StepMetrics Step(int64_t step, BatchSource& source);

  // The batches are shared among the ranks.
  ValidationMetrics Validate(const std::vector<TrainingBatch>& batches, bool with_neighbours);

  const TrainableModel& model() const { return model_; }
  // GatherMoments: all ranks call it.
  std::vector<std::pair<std::string, torch::Tensor>> Moments() const;

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

  std::vector<TrainingBatch> TakeBatches(int64_t step, BatchSource& source) const;
  // Of pass `pass` of all ranks' in a step, counted through the run.
  uint64_t BatchNumber(int64_t step, int64_t pass) const {
    return static_cast<uint64_t>(step * config_.PassesPerStep() + pass);
  }
  void Count(const TrainingBatch& batch, Sums& sums) const;
  void AddOverRanks(Sums& sums) const;
  torch::Tensor Loss(const TrainingBatch& batch, bool neighbours);
  double Accumulate(int64_t step, const std::vector<TrainingBatch>& batches, int64_t targets);
  void Update(const StepMetrics& metrics);
  bool IsBad(double loss, double norm) const;
  void Remember(double loss);
  void OnBadStep(const StepMetrics& metrics);
  ValidationMetrics::Arm MeasureArm(const std::vector<TrainingBatch>& batches, bool neighbours);

  const TrainConfig config_;
  Communicator& communicator_;
  TrainableModel model_;
  AdamW optimizer_;
  std::vector<uint32_t> token_bytes_;
  torch::ScalarType compute_;
  double flops_per_token_, peak_flops_;
  double mean_loss_ = 0;    // running, of good steps
  int64_t good_steps_ = 0;  // in it
  int64_t skipped_in_a_row_ = 0;
  std::unique_ptr<GradientReducer> reducer_;  // null for a single rank
};

}  // namespace retro
