#include "training/torch/checkpoint.h"

#include "core/error.h"
#include "core/file.h"
#include "core/manifest.h"
#include "core/staged_folder.h"
#include "model/json_file.h"
#include "model/load_tokenizer.h"
#include "model/safetensors.h"
#include "training/run_folder.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kState = "training_state.json";

std::span<const std::byte> Bytes(const torch::Tensor& tensor) {
  return std::as_bytes(std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())));
}

void WriteOptimizer(const fs::path& path, const AdamW& optimizer) {
  std::vector<torch::Tensor> held;  // what the views point into
  std::vector<TensorView> views;
  for (const auto& [name, moment] : optimizer.State()) {
    held.push_back(moment.to(torch::kCPU).contiguous());
    views.push_back({name, DataType::kF32, held.back().sizes().vec(), Bytes(held.back())});
  }
  WriteSafetensors(path, views);
}

void AddFiles(const fs::path& folder, Manifest& manifest) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != "lock") manifest.AddFile(folder, name);
  }
}

}  // namespace

void SaveCheckpoint(const fs::path& folder, const TrainableModel& model, const AdamW& optimizer,
                    const nlohmann::json& state, const fs::path& tokenizer) {
  StagedFolder staged(folder, StagedFolder::Unpublished::kRemove);
  staged.Clear();
  model.Save(staged.path());
  if (!model.has_lora()) CopyTokenizerFiles(tokenizer, staged.path());  // an adapter is used with its base's
  WriteOptimizer(staged.path() / kOptimizer, optimizer);
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

void LoadOptimizer(const fs::path& folder, AdamW& optimizer) {
  torch::NoGradGuard no_grad;
  const SafetensorsFile file(folder / kOptimizer);
  for (auto& [name, moment] : optimizer.State()) moment.copy_(LoadTensor(file, name, moment.sizes()));
}

}  // namespace retro
