#include "training/torch/trainer.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/error.h"
#include "model/torch/padded_batch.h"
#include "training/copied_neighbours.h"
#include "training/flops.h"
#include "training/learning_rate.h"
#include "training/run_log.h"
#include "training/sequence_order.h"
#include "training/torch/checkpoint.h"
#include "training/torch/optimizer_shards.h"
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

std::vector<torch::Tensor> LearningWeights(const TrainableModel& model) {
  std::vector<torch::Tensor> weights;
  for (const TrainableModel::Weight& weight : model.Weights()) {
    if (weight.value.requires_grad()) weights.push_back(weight.value);
  }
  return weights;
}

OptimizerShard Shard(const TrainConfig& config, const Communicator& communicator) {
  if (!config.shard_optimizer) return {};
  return {communicator.rank(), communicator.num_ranks()};
}

// The ranks of one machine take a GPU each.
torch::Device Device(const TrainConfig& config) {
  const bool shares = config.num_ranks > 1 && config.device == "cuda";
  return ParseDevice(shares ? fmt::format("cuda:{}", LocalRank()) : config.device);
}

// On its device before the optimizer makes the moments beside the weights.
TrainableModel Prepared(TrainableModel model, const TrainConfig& config) {
  model.To(Device(config));
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

// Every step asks for the same large tensors again. By default each is mapped anew and the kernel clears its pages: a
// twentieth of the processor time of a step.
void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

Trainer::Trainer(const TrainConfig& config, TrainableModel model, std::vector<uint32_t> token_bytes,
                 Communicator& communicator)
    : config_(config),
      communicator_(communicator),
      model_(Prepared(std::move(model), config)),
      optimizer_(Groups(model_, config.optimizer),
                 {config.optimizer.beta1, config.optimizer.beta2, config.optimizer.epsilon},
                 Shard(config, communicator)),
      token_bytes_(std::move(token_bytes)),
      compute_(ComputeType(config.precision, model_.device())),
      flops_per_token_(FlopsPerToken(model_, config)),
      peak_flops_(communicator.num_ranks() * MeasurePeakFlops(compute_, model_.device())) {
  KeepFreedMemory();
  if (communicator.num_ranks() > 1) {
    reducer_ = std::make_unique<GradientReducer>(LearningWeights(model_), communicator);
  }
}

std::vector<TrainingBatch> Trainer::TakeBatches(int64_t step, BatchSource& source) const {
  const auto warmup = static_cast<double>(config_.data.neighbours_warmup);
  const double copied = warmup > 0 ? 1 - static_cast<double>(step) / warmup : 0;  // share of the chunks
  std::vector<TrainingBatch> batches;
  for (int64_t i = 0; i < config_.PassesPerStep(); ++i) {
    if (i % communicator_.num_ranks() == communicator_.rank()) {
      batches.push_back(source.Next());
      if (copied > 0) CopyNextChunks(copied, MixSeed(~config_.seed, BatchNumber(step, i)), batches.back());
    } else {
      source.Skip();
    }
  }
  return batches;
}

void Trainer::Count(const TrainingBatch& batch, Sums& sums) const {
  for (const TokenId target : batch.targets) {
    if (target == kNoTarget) continue;
    ++sums.targets;
    sums.bytes += token_bytes_[target];
  }
}

void Trainer::AddOverRanks(Sums& sums) const {
  double values[] = {sums.nats, static_cast<double>(sums.targets), static_cast<double>(sums.bytes)};
  communicator_.Sum(values);
  sums = {values[0], static_cast<int64_t>(values[1]), static_cast<uint64_t>(values[2])};
}

torch::Tensor Trainer::Loss(const TrainingBatch& batch, bool neighbours) {
  const AutocastGuard autocast(compute_, model_.device());
  const auto hidden = model_.Hidden(batch, neighbours);
  const Rows rows = RowsWithTarget(hidden, batch);
  return OutputLoss(rows.hidden, model_.OutputWeight(), rows.targets, compute_);
}

// The gradients of the mean over all targets of the step, whatever batch and rank they are in. Returns this rank's sum
// in nats.
double Trainer::Accumulate(int64_t step, const std::vector<TrainingBatch>& batches, int64_t targets) {
  double nats = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    const auto place = static_cast<int64_t>(i) * communicator_.num_ranks() + communicator_.rank();
    torch::manual_seed(MixSeed(config_.seed, BatchNumber(step, place)));
    const auto loss = Loss(batches[i], /*neighbours=*/true);
    if (reducer_ && i + 1 == batches.size()) reducer_->Start();
    // A frozen base and a batch without neighbours: nothing to learn.
    if (loss.requires_grad()) (loss / static_cast<double>(targets)).backward();
    nats += loss.item<double>();
  }
  if (reducer_) reducer_->Finish();
  return nats;
}

StepMetrics Trainer::Step(int64_t step, BatchSource& source) {
  const std::vector<TrainingBatch> batches = TakeBatches(step, source);
  Sums sums;
  for (const TrainingBatch& batch : batches) Count(batch, sums);
  AddOverRanks(sums);
  const LearningRate rate{config_.optimizer.learning_rate, config_.optimizer.min_learning_rate_factor,
                          config_.optimizer.warmup_steps, config_.steps};
  StepMetrics metrics;
  metrics.step = step + 1;
  metrics.tokens = metrics.step * config_.TokensPerStep();
  metrics.learning_rate = rate.At(step);
  TranslateTorchErrors([&] {
    model_.SetTraining(true);
    optimizer_.ClearGradients();
    sums.nats = Accumulate(step, batches, sums.targets);
    communicator_.Sum({&sums.nats, 1});
    metrics.gradient_norm = FromRankZero(optimizer_.GradientNorm(), communicator_);
  });
  metrics.loss = sums.nats / static_cast<double>(sums.targets);
  metrics.bits_per_byte = BitsPerByte(sums.nats, sums.bytes);
  metrics.skipped = IsBad(metrics.loss, metrics.gradient_norm);
  if (metrics.skipped) {
    OnBadStep(metrics);
    return metrics;
  }
  TranslateTorchErrors([&] { Update(metrics); });
  Remember(metrics.loss);
  return metrics;
}

void Trainer::Update(const StepMetrics& metrics) {
  const double clip = config_.optimizer.clip_norm;
  if (clip > 0 && metrics.gradient_norm > clip) optimizer_.ScaleGradients(clip / metrics.gradient_norm);
  optimizer_.Step(metrics.learning_rate);
  if (config_.shard_optimizer) ShareWeights(optimizer_, communicator_);
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
  Sums sums;
  for (size_t i = communicator_.rank(); i < batches.size(); i += communicator_.num_ranks()) {
    Count(batches[i], sums);
    sums.nats += Loss(batches[i], neighbours).item<double>();
  }
  AddOverRanks(sums);
  return {sums.nats / static_cast<double>(sums.targets), BitsPerByte(sums.nats, sums.bytes)};
}

std::vector<std::pair<std::string, torch::Tensor>> Trainer::Moments() const {
  return GatherMoments(optimizer_, communicator_);
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
