// One checkpoint: a model folder that every command reads, and beside it what the run needs to go on as if it had
// never stopped. Layout: docs/formats.md.
// Shows LibTorch: for training/torch/ only.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "training/torch/adamw.h"
#include "training/torch/trainable_model.h"

namespace retro {

// Writes the model (or its adapter alone), tokenizer files, optimizer.safetensors and training_state.json, then the
// manifest, and puts the folder in place in one step. `moments`: those of GatherMoments. `tokenizer`: a folder or a
// file; a .gguf's is not copied. Throws Error(kIo), e.g. on a full disk; nothing is left then.
void SaveCheckpoint(const std::filesystem::path& folder, const TrainableModel& model,
                    const std::vector<std::pair<std::string, torch::Tensor>>& moments, const nlohmann::json& state,
                    const std::filesystem::path& tokenizer);

// training_state.json. Throws Error(kCorruption, kNotFound).
nlohmann::json ReadTrainingState(const std::filesystem::path& folder);

// Fills this shard's moments. Throws Error(kCorruption) when a tensor is missing or has another shape.
void LoadOptimizer(const std::filesystem::path& folder, const AdamW& optimizer);

}  // namespace retro
