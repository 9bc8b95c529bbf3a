// A decoder of LibTorch's into files in Hugging Face layout: config.json and model.safetensors, which every command of
// retro reads. Without a RETRO part transformers reads them too; with one it reads the base and leaves the rest.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "model/tensor.h"
#include "model/torch/decoder_module.h"

namespace retro {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// `more`: further weights by their names in the file (RetroTensors). `type`: kF32, kF16 or kBF16. Throws Error(kIo),
// and Error(kInvalidArgument) naming the weight when one is too large for kF16.
void SaveDecoder(const std::filesystem::path& folder, const DecoderConfig& config, const DecoderModule& decoder,
                 const NamedTensors& more = {}, DataType type = DataType::kF32);

}  // namespace retro
