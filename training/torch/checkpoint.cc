#include "training/torch/checkpoint.h"

#include "core/error.h"
#include "core/file.h"
#include "core/manifest.h"
#include "core/staged_folder.h"
#include "model/export_tokenizer.h"
#include "model/json_file.h"
#include "model/load_tokenizer.h"
#include "model/model_files.h"
#include "model/safetensors.h"
#include "training/run_folder.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

using Moments = std::vector<std::pair<std::string, torch::Tensor>>;

constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "training_state.json";

std::span<const std::byte> Bytes(const torch::Tensor& tensor) {
  return std::as_bytes(std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())));
}

void WriteOptimizer(const fs::path& path, const Moments& moments) {
  std::vector<TensorView> views;
  for (const auto& [name, moment] : moments) {
    views.push_back({name, DataType::kF32, moment.sizes().vec(), Bytes(moment)});
  }
  WriteSafetensors(path, views);
}

// One moment of a piece, out of the whole weight's.
void LoadMoment(const TensorSource& file, const AdamW::Piece& piece, const char* which, torch::Tensor moment) {
  moment.copy_(piece.Of(LoadTensor(file, piece.name + which, piece.weight.sizes())));
}

void AddFiles(const fs::path& folder, Manifest& manifest) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != "lock") manifest.AddFile(folder, name);
  }
}

// The vocabulary inside a .gguf file is written anew: a checkpoint can be used by itself.
void SaveTokenizer(const fs::path& tokenizer, int64_t context_len, const fs::path& folder) {
  if (IsGguf(tokenizer)) {
    ExportTokenizer(tokenizer, *LoadTokenizer(tokenizer), context_len, folder);
  } else {
    CopyTokenizerFiles(tokenizer, folder);
  }
}

}  // namespace

void SaveCheckpoint(const fs::path& folder, const TrainableModel& model, const Moments& moments,
                    const nlohmann::json& state, const fs::path& tokenizer) {
  StagedFolder staged(folder, StagedFolder::Unpublished::kRemove);
  staged.Clear();
  model.Save(staged.path());
  // An adapter is used with its base's.
  if (!model.has_lora()) SaveTokenizer(tokenizer, model.config().context_len, staged.path());
  WriteOptimizer(staged.path() / kOptimizer, moments);
  WriteFileAtomically(staged.path() / kState, state.dump(1) + "\n");
  Manifest manifest;
  manifest.kind = RunFolder::kCheckpointKind;
  manifest.options = state.value("options", nlohmann::json::object());
  manifest.counts = {{"step", state.at("step")}};
  AddFiles(staged.path(), manifest);
  manifest.Save(staged.path());
  staged.Publish();
}

nlohmann::json ReadTrainingState(const fs::path& folder) {
  nlohmann::json state = ReadJsonFile(folder / kState);
  for (const char* field : {"step", "optimizer_steps", "position", "options"}) {
    if (!state.contains(field)) {
      Throw(ErrorCode::kCorruption, "{}: the field {} is missing; use another checkpoint", (folder / kState).string(),
            field);
    }
  }
  return state;
}

void LoadOptimizer(const fs::path& folder, const AdamW& optimizer) {
  torch::NoGradGuard no_grad;
  const SafetensorsFile file(folder / kOptimizer);
  for (const AdamW::Piece& piece : optimizer.pieces()) {
    if (!piece.first.defined()) continue;  // another rank's
    LoadMoment(file, piece, ".first", piece.first);
    LoadMoment(file, piece, ".second", piece.second);
  }
}

}  // namespace retro
