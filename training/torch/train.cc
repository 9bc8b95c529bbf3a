#include "training/train.h"

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "model/torch/padded_batch.h"
#include "training/example_data.h"
#include "training/run_folder.h"
#include "training/run_log.h"
#include "training/token_bytes.h"
#include "training/torch/checkpoint.h"
#include "training/torch/trainer.h"
#include "training/training_data.h"

namespace retro {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

// Draws new weights, or reads those to start from.
TrainableModel FirstWeights(const TrainConfig& config, const Tokenizer& tokenizer) {
  if (config.model.init_from.empty()) {
    torch::manual_seed(config.seed);
    return TrainableModel::New(NewDecoderConfig(config, static_cast<int64_t>(tokenizer.vocab_size())));
  }
  // With LoRA the adapter stays beside the model.
  const DecoderSource source = OpenDecoder(config.model.init_from, config.lora.on() ? "" : config.model.adapter);
  if (config.lora.on() && config.model.retro && !source.config.retro) {
    Throw(ErrorCode::kInvalidArgument,
          "--lora-rank with --retro: {} has no chunked cross-attention, and an adapter cannot hold a new one; retrofit "
          "it first",
          config.model.init_from);
  }
  if (!config.model.retro || source.config.retro) return TrainableModel::Load(source);
  torch::manual_seed(config.seed);
  return TrainableModel::Retrofit(source, NewRetroConfig(config.model.retro_options, source.config),
                                  config.model.retrofit_init, config.model.retro_options.gate_init);
}

// A checkpoint of an adapter is used with the model that it started beside.
TrainableModel FirstModel(const TrainConfig& config, const Tokenizer& tokenizer,
                          const std::optional<std::filesystem::path>& from) {
  if (!config.lora.on()) {
    return from ? TrainableModel::Load(OpenDecoder(*from)) : FirstWeights(config, tokenizer);
  }
  TrainableModel model = FirstWeights(config, tokenizer);
  torch::manual_seed(config.seed);
  model.AddLora(NewLoraConfig(config), from.value_or(config.model.adapter));
  return model;
}

void CheckModel(const DecoderConfig& model, const TrainConfig& config, const Tokenizer& tokenizer) {
  if (static_cast<int64_t>(tokenizer.vocab_size()) > model.vocab_size) {
    Throw(ErrorCode::kInvalidArgument, "the tokenizer has {} tokens, the model {}: they do not belong together",
          tokenizer.vocab_size(), model.vocab_size);
  }
  if (config.optimizer.freeze == Frozen::kBase && !model.retro) {
    Throw(ErrorCode::kInvalidArgument,
          "--freeze base: {} has no chunked cross-attention that could learn; give --retro", config.model.init_from);
  }
  if (config.data.neighbours_warmup > 0 && !model.retro) {
    Throw(ErrorCode::kInvalidArgument, "--neighbours-warmup: the model reads no neighbours; give --retro");
  }
  if (config.data.seq_len > model.context_len) {
    Throw(ErrorCode::kInvalidArgument, "--seq-len {} is longer than the model's context of {}", config.data.seq_len,
          model.context_len);
  }
}

NeighbourShape ShapeOf(const DecoderConfig& model) {
  if (!model.retro) return {};
  return {model.retro->chunk_len, model.retro->num_neighbours, model.retro->neighbour_len};
}

std::string RanksLine(const TrainConfig& config) {
  return fmt::format("{} ranks, {} sequences of {} tokens a step{}", config.num_ranks, config.SequencesPerStep(),
                     config.data.seq_len, config.shard_optimizer ? ", the optimizer sharded among them (ZeRO 1)" : "");
}

// The validation that was best so far, and the step whose checkpoint is kept for it.
struct Best {
  int64_t step = 0;
  double bits_per_byte = 0;
};

// The run from opening to its last checkpoint.
class Run {
 public:
  Run(const TrainConfig& config, const TrainInputs& inputs, const StepObserver& observer, Communicator& ranks);

  TrainResult Execute();

 private:
  void OpenData(const TrainInputs& inputs, const NeighbourShape& shape);
  bool writes() const { return folder_ != nullptr; }
  std::optional<std::filesystem::path> CheckpointToGoOnFrom() const;
  void Restore(const std::filesystem::path& checkpoint, const nlohmann::json& state);
  void RequireSameOptions(const std::filesystem::path& checkpoint, const nlohmann::json& saved) const;
  void StopIfInterrupted();
  void TrainOneStep();
  void ShowLine(StepMetrics metrics);
  void ValidateIfDue();
  bool SaveIsDue() const { return step_ % config_.save_every == 0 || step_ == config_.steps; }
  void Save();

  const TrainConfig& config_;
  const nlohmann::json options_;
  const StepObserver& observer_;
  Communicator& ranks_;
  std::filesystem::path tokenizer_;
  std::unique_ptr<const RunFolder> folder_;  // rank 0 only, as log_ is
  // Of these two there is one.
  std::unique_ptr<const TrainingData> text_;
  std::unique_ptr<const ExampleData> examples_;
  std::unique_ptr<BatchSource> mixture_;
  std::vector<TrainingBatch> validation_batches_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<MetricsLog> log_;
  int64_t step_ = 0, saved_step_ = 0;  // done; of the newest checkpoint
  std::optional<ValidationMetrics> validation_;
  std::optional<Best> best_;
  std::optional<Progress> bar_;                 // on a terminal; elsewhere the lines say how far it is
  Clock::time_point line_time_ = Clock::now();  // of the last line on stderr
  int64_t line_step_ = 0;
};

Run::Run(const TrainConfig& config, const TrainInputs& inputs, const StepObserver& observer, Communicator& ranks)
    : config_(config),
      options_(ToJson(config)),
      observer_(observer),
      ranks_(ranks),
      tokenizer_(config.model.tokenizer.empty() ? config.model.init_from : config.model.tokenizer),
      folder_(ranks.rank() == 0 ? std::make_unique<const RunFolder>(config.out) : nullptr) {
  const std::optional<std::filesystem::path> from = CheckpointToGoOnFrom();
  const nlohmann::json state = from ? ReadTrainingState(*from) : nlohmann::json::object();
  if (from) RequireSameOptions(*from, state.at("options"));
  TrainableModel model = FirstModel(config, *inputs.tokenizer, from);
  CheckModel(model.config(), config, *inputs.tokenizer);
  OpenData(inputs, ShapeOf(model.config()));
  if (config.keep_best && validation_batches_.empty()) {
    Throw(ErrorCode::kInvalidArgument,
          "--keep-best: no corpus has a \"valid\" part of a sequence or more; build them with --valid-fraction");
  }
  trainer_ = std::make_unique<Trainer>(config, std::move(model), TokenBytes(*inputs.tokenizer), ranks);
  if (from) Restore(*from, state);
  if (!writes()) return;
  if (ranks.num_ranks() > 1) LogInfo(RanksLine(config));
  folder_->SaveOptions(options_);
  log_ = std::make_unique<MetricsLog>(folder_->path(), step_);
}

// Rank 0 looks which one is whole, once for all.
std::optional<std::filesystem::path> Run::CheckpointToGoOnFrom() const {
  const std::optional<CheckpointFolder> newest = writes() ? folder_->NewestGood() : std::nullopt;
  const double step = FromRankZero(newest ? static_cast<double>(newest->step) : -1, ranks_);
  if (step < 0) return std::nullopt;
  return RunFolder::CheckpointPath(config_.out, static_cast<int64_t>(step));
}

void Run::OpenData(const TrainInputs& inputs, const NeighbourShape& shape) {
  if (config_.data.examples.empty()) {
    text_ = std::make_unique<const TrainingData>(config_, inputs, shape);
    mixture_ = text_->Mixture(config_);
    validation_batches_ = text_->ValidationBatches(config_);
  } else {
    examples_ = std::make_unique<const ExampleData>(config_, inputs);
    mixture_ = examples_->Mixture(config_);
    validation_batches_ = examples_->ValidationBatches(config_);
  }
}

void Run::RequireSameOptions(const std::filesystem::path& checkpoint, const nlohmann::json& saved) const {
  const std::vector<std::string> differing = DifferingOptions(saved, options_);
  if (differing.empty()) return;
  Throw(
      ErrorCode::kInvalidArgument,
      "{} was made with other options ({}); give those again to go on, or another --out (with --init-from {} to start "
      "from its weights)",
      checkpoint.string(), fmt::join(differing, "; "), checkpoint.string());
}

void Run::Restore(const std::filesystem::path& checkpoint, const nlohmann::json& state) {
  step_ = saved_step_ = line_step_ = state.at("step").get<int64_t>();
  mixture_->Resume(state.at("position"));
  trainer_->Resume(checkpoint, state);
  if (state.contains("best")) best_ = Best{state["best"].at("step"), state["best"].at("bpb")};
  LogInfo("going on from " + checkpoint.string());
}

TrainResult Run::Execute() {
  TrainResult result;
  result.nothing_to_do = step_ == config_.steps;
  if (writes() && Progress::DrawsBars())
    bar_.emplace("training", "steps", static_cast<uint64_t>(config_.steps - step_));
  while (step_ < config_.steps) {
    StopIfInterrupted();
    TrainOneStep();
    ValidateIfDue();
    if (SaveIsDue()) Save();
  }
  if (bar_) bar_->Finish();
  result.step = step_;
  result.checkpoint = RunFolder::CheckpointPath(config_.out, step_).string();
  result.validation = validation_;
  return result;
}

// One rank's signal stops all.
void Run::StopIfInterrupted() {
  double interrupted = Interrupted() ? 1 : 0;
  ranks_.Sum({&interrupted, 1});
  if (interrupted == 0) return;
  if (step_ > saved_step_) Save();
  SetInterrupted(true);
  ThrowIfInterrupted();
}

void Run::TrainOneStep() {
  const Clock::time_point start = Clock::now();
  StepMetrics metrics = trainer_->Step(step_, *mixture_);
  ++step_;
  metrics.tokens_per_second = static_cast<double>(config_.TokensPerStep()) / Seconds(start);
  metrics.peak_share = trainer_->PeakShare(metrics.tokens_per_second);
  if (writes()) {
    log_->Add(metrics);
    if (step_ % config_.log_every == 0 || step_ == config_.steps) ShowLine(metrics);
  }
  if (bar_) bar_->Add(1);
  if (observer_) observer_(metrics);
}

// Its speed is that since the line before, validation and saving included.
void Run::ShowLine(StepMetrics metrics) {
  const double seconds_a_step = Seconds(line_time_) / static_cast<double>(step_ - line_step_);
  metrics.tokens_per_second = static_cast<double>(config_.TokensPerStep()) / seconds_a_step;
  metrics.peak_share = trainer_->PeakShare(metrics.tokens_per_second);
  metrics.seconds_left = seconds_a_step * static_cast<double>(config_.steps - step_);
  LogInfo(Line(metrics, config_.steps));
  line_time_ = Clock::now();
  line_step_ = step_;
}

void Run::ValidateIfDue() {
  const bool due = step_ == config_.steps || (config_.valid_every > 0 && step_ % config_.valid_every == 0) ||
                   (config_.keep_best && SaveIsDue());
  if (!due || validation_batches_.empty()) return;
  validation_ = trainer_->Validate(validation_batches_, text_ && text_->validation_has_neighbours());
  validation_->step = step_;
  if (writes()) {
    log_->Add(*validation_);
    LogInfo(Line(*validation_));
  }
  const double bits = validation_->best_arm().bits_per_byte;
  if (config_.keep_best && SaveIsDue() && (!best_ || bits < best_->bits_per_byte)) best_ = Best{step_, bits};
}

void Run::Save() {
  nlohmann::json state = trainer_->State();
  state.update({{"step", step_}, {"position", mixture_->Position()}, {"options", options_}});
  if (best_) state["best"] = {{"step", best_->step}, {"bpb", best_->bits_per_byte}};
  TranslateTorchErrors([&] {
    const auto moments = trainer_->Moments();
    if (writes()) SaveCheckpoint(folder_->CheckpointPath(step_), trainer_->model(), moments, state, tokenizer_);
  });
  saved_step_ = step_;
  if (writes()) folder_->Prune(config_.keep_last, best_ ? std::optional(best_->step) : std::nullopt);
  FromRankZero(1, ranks_);  // a rank that ended before would let the launcher end rank 0 while it writes
}

}  // namespace

TrainResult Train(const TrainConfig& config, const TrainInputs& inputs, const StepObserver& observer) {
  SingleProcess alone;
  Communicator& ranks = inputs.ranks == nullptr ? alone : *inputs.ranks;
  TrainConfig shared = config;
  shared.num_ranks = ranks.num_ranks();
  shared.Validate();
  if (inputs.num_threads > 0) at::set_num_threads(static_cast<int>(inputs.num_threads));
  return Run(shared, inputs, observer, ranks).Execute();
}

}  // namespace retro
