#include "training/torch/trainer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/error.h"
#include "model/torch/padded_batch.h"
#include "training/flops.h"
#include "training/learning_rate.h"
#include "training/run_log.h"
#include "training/sequence_order.h"
#include "training/torch/checkpoint.h"
#include "training/torch/output_loss.h"
#include "training/torch/precision.h"

namespace retro {
namespace {

constexpr double kMeanMemory = 0.98;        // of the running mean of the loss
constexpr int64_t kStepsBeforeSpikes = 50;  // it is not judged by before
constexpr int64_t kMostSkippedInARow = 20;

// Decay acts on matrices: a norm, a bias or a gate that shrinks says something else, as do embeddings by option.
bool Decays(const TrainableModel::Weight& weight, const OptimizerOptions& options) {
  if (weight.name.ends_with("bias") || weight.value.dim() < 2) return false;
  return !weight.is_embedding || options.decay_embeddings;
}

std::vector<WeightGroup> Groups(const TrainableModel& model, const OptimizerOptions& options) {
  std::map<std::pair<bool, bool>, WeightGroup> groups;
  for (const TrainableModel::Weight& weight : model.Weights()) {
    if (!weight.value.requires_grad()) continue;
    const bool decays = Decays(weight, options);
    WeightGroup& group = groups[{weight.is_new, decays}];
    group.rate_factor = weight.is_new ? options.new_weights_factor : 1;
    group.weight_decay = decays ? options.weight_decay : 0;
    group.weights.emplace_back(weight.name, weight.value);
  }
  std::vector<WeightGroup> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  return list;
}

// On its device before the optimizer makes the moments beside the weights.
TrainableModel Prepared(TrainableModel model, const TrainConfig& config) {
  model.To(ParseDevice(config.device));
  model.SetDropout(config.optimizer.dropout);
  model.SetRecompute(config.data.recompute);
  if (config.optimizer.freeze == Frozen::kBase) model.FreezeBase();
  return model;
}

struct Rows {
  torch::Tensor hidden, targets;
};

// The rows that have a target: of examples few have one, and the output matrix is the widest of all.
Rows RowsWithTarget(const torch::Tensor& hidden, const TrainingBatch& batch) {
  const auto narrow = torch::from_blob(const_cast<TokenId*>(batch.targets.data()),
                                       {batch.num_sequences * batch.seq_len}, torch::kInt32);
  const Rows all{hidden.flatten(0, 1), narrow.to(hidden.device(), torch::kInt64)};
  if (std::ranges::find(batch.targets, kNoTarget) == batch.targets.end()) return all;
  const auto places = torch::nonzero(all.targets.ge(0)).squeeze(1);
  return {all.hidden.index_select(0, places), all.targets.index_select(0, places)};
}

double FlopsPerToken(const TrainableModel& model, const TrainConfig& config) {
  if (model.has_lora()) return LoraTrainingFlops(model.config(), config.data.seq_len, model.num_learned());
  return TrainingFlops(model.config(), config.data.seq_len, model.config().retro.has_value(),
                       config.optimizer.freeze == Frozen::kBase);
}

double BitsPerByte(double nats, uint64_t bytes) {
  return bytes == 0 ? 0 : nats / std::numbers::ln2 / static_cast<double>(bytes);
}

}  // namespace

Trainer::Trainer(const TrainConfig& config, TrainableModel model, std::vector<uint32_t> token_bytes)
    : config_(config),
      model_(Prepared(std::move(model), config)),
      optimizer_(Groups(model_, config.optimizer),
                 {config.optimizer.beta1, config.optimizer.beta2, config.optimizer.epsilon}),
      token_bytes_(std::move(token_bytes)),
      compute_(ComputeType(config.precision, model_.device())),
      flops_per_token_(FlopsPerToken(model_, config)),
      peak_flops_(MeasurePeakFlops(compute_, model_.device())) {}

Trainer::Sums Trainer::Count(const std::vector<TrainingBatch>& batches) const {
  Sums sums;
  for (const TrainingBatch& batch : batches) {
    for (const TokenId target : batch.targets) {
      if (target == kNoTarget) continue;
      ++sums.targets;
      sums.bytes += token_bytes_[target];
    }
  }
  return sums;
}

torch::Tensor Trainer::Loss(const TrainingBatch& batch, bool neighbours) {
  const AutocastGuard autocast(compute_, model_.device());
  const auto hidden = model_.Hidden(batch, neighbours);
  const Rows rows = RowsWithTarget(hidden, batch);
  return OutputLoss(rows.hidden, model_.OutputWeight(), rows.targets, compute_);
}

// The gradients of the mean over all targets of the step, whatever batch they are in. Returns the sum in nats.
double Trainer::Accumulate(const std::vector<TrainingBatch>& batches, int64_t targets) {
  double nats = 0;
  for (const TrainingBatch& batch : batches) {
    const auto loss = Loss(batch, /*neighbours=*/true);
    // A frozen base and a batch without neighbours: nothing to learn.
    if (loss.requires_grad()) (loss / static_cast<double>(targets)).backward();
    nats += loss.item<double>();
  }
  return nats;
}

StepMetrics Trainer::Step(int64_t step, BatchSource& source) {
  std::vector<TrainingBatch> batches;
  for (int64_t i = 0; i < config_.data.accumulation; ++i) batches.push_back(source.Next());
  Sums sums = Count(batches);
  const LearningRate rate{config_.optimizer.learning_rate, config_.optimizer.min_learning_rate_factor,
                          config_.optimizer.warmup_steps, config_.steps};
  StepMetrics metrics;
  metrics.step = step + 1;
  metrics.tokens = metrics.step * config_.TokensPerStep();
  metrics.learning_rate = rate.At(step);
  TranslateTorchErrors([&] {
    torch::manual_seed(MixSeed(config_.seed, static_cast<uint64_t>(step)));
    model_.SetTraining(true);
    optimizer_.ClearGradients();
    sums.nats = Accumulate(batches, sums.targets);
    metrics.gradient_norm = optimizer_.GradientNorm();
  });
  metrics.loss = sums.nats / static_cast<double>(sums.targets);
  metrics.bits_per_byte = BitsPerByte(sums.nats, sums.bytes);
  metrics.skipped = IsBad(metrics.loss, metrics.gradient_norm);
  if (metrics.skipped) {
    OnBadStep(metrics);
    return metrics;
  }
  const double clip = config_.optimizer.clip_norm;
  if (clip > 0 && metrics.gradient_norm > clip) optimizer_.ScaleGradients(clip / metrics.gradient_norm);
  optimizer_.Step(metrics.learning_rate);
  Remember(metrics.loss);
  return metrics;
}

bool Trainer::IsBad(double loss, double norm) const {
  if (!std::isfinite(loss) || !std::isfinite(norm)) return true;
  return config_.spike_factor > 0 && good_steps_ >= kStepsBeforeSpikes && loss > config_.spike_factor * mean_loss_;
}

// The first steps weigh alike, so that the mean is one from the beginning.
void Trainer::Remember(double loss) {
  ++good_steps_;
  skipped_in_a_row_ = 0;
  const double weight = std::max(1 - kMeanMemory, 1 / static_cast<double>(good_steps_));
  mean_loss_ += weight * (loss - mean_loss_);
}

void Trainer::OnBadStep(const StepMetrics& metrics) {
  const std::string what = fmt::format("step {}: the loss is {} (running mean {:.4f}), the gradient's norm {}",
                                       metrics.step, metrics.loss, mean_loss_, metrics.gradient_norm);
  if (config_.on_bad_step == BadStep::kStop) {
    Throw(
        ErrorCode::kUnavailable,
        "{}; stopped. Go on from the last checkpoint with --on-bad-step skip, or begin again with a smaller --lr or a "
        "longer --warmup",
        what);
  }
  if (++skipped_in_a_row_ > kMostSkippedInARow) {
    Throw(ErrorCode::kUnavailable, "{}; {} such steps in a row were skipped, stopped. Give a smaller --lr", what,
          kMostSkippedInARow);
  }
  LogWarning(what + "; its update is skipped");
}

ValidationMetrics Trainer::Validate(const std::vector<TrainingBatch>& batches, bool with_neighbours) {
  ValidationMetrics metrics;
  TranslateTorchErrors([&] {
    torch::NoGradGuard no_grad;
    model_.SetTraining(false);
    metrics.off = MeasureArm(batches, /*neighbours=*/false);
    if (with_neighbours) metrics.on = MeasureArm(batches, /*neighbours=*/true);
  });
  return metrics;
}

ValidationMetrics::Arm Trainer::MeasureArm(const std::vector<TrainingBatch>& batches, bool neighbours) {
  Sums sums = Count(batches);
  for (const TrainingBatch& batch : batches) sums.nats += Loss(batch, neighbours).item<double>();
  return {sums.nats / static_cast<double>(sums.targets), BitsPerByte(sums.nats, sums.bytes)};
}

nlohmann::json Trainer::State() const {
  return {{"optimizer_steps", optimizer_.steps()},
          {"mean_loss", mean_loss_},
          {"good_steps", good_steps_},
          {"skipped_in_a_row", skipped_in_a_row_}};
}

void Trainer::Resume(const std::filesystem::path& checkpoint, const nlohmann::json& state) {
  LoadOptimizer(checkpoint, optimizer_);
  optimizer_.set_steps(state.at("optimizer_steps").get<int64_t>());
  mean_loss_ = state.at("mean_loss").get<double>();
  good_steps_ = state.at("good_steps").get<int64_t>();
  skipped_in_a_row_ = state.at("skipped_in_a_row").get<int64_t>();
}

}  // namespace retro
