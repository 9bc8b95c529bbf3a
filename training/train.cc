#include "training/train.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/interrupt.h"
#include "model/torch/padded_batch.h"
#include "training/checkpoint.h"
#include "training/precision.h"
#include "training/run_folder.h"
#include "training/token_bytes.h"
#include "training/trainer.h"
#include "training/training_data.h"

namespace retro {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

// Draws new weights, or reads those to go on from.
TrainableModel FirstModel(const TrainConfig& config, const Tokenizer& tokenizer) {
  if (config.model.init_from.empty()) {
    torch::manual_seed(config.seed);
    return TrainableModel::New(NewDecoderConfig(config, static_cast<int64_t>(tokenizer.vocab_size())));
  }
  return TrainableModel::Load(OpenDecoder(config.model.init_from));
}

void CheckModel(const DecoderConfig& model, const TrainConfig& config, const Tokenizer& tokenizer) {
  if (static_cast<int64_t>(tokenizer.vocab_size()) > model.vocab_size) {
    Throw(ErrorCode::kInvalidArgument, "the tokenizer has {} tokens, the model {}: they do not belong together",
          tokenizer.vocab_size(), model.vocab_size);
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

// The run from opening to the end.
class Run {
 public:
  Run(const TrainConfig& config, const TrainInputs& inputs, const StepObserver& observer)
      : config_(config), options_(ToJson(config)), observer_(observer), folder_(config.out) {
    const std::optional<CheckpointFolder> from = folder_.NewestGood();
    nlohmann::json state;
    if (from) {
      state = ReadTrainingState(from->path);
      RequireSameOptions(from->path, state.at("options"));
    }
    TrainableModel model = from ? TrainableModel::Load(OpenDecoder(from->path)) : FirstModel(config, *inputs.tokenizer);
    CheckModel(model.config(), config, *inputs.tokenizer);
    const TrainingData data(config, inputs, ShapeOf(model.config()));
    Begin(*inputs.tokenizer);
  }

 private:
  const TrainConfig& config_;
};

}  // namespace
}  // namespace retro
