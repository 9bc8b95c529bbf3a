// A decoder of LibTorch's into files in Hugging Face layout: config.json and model.safetensors, which every command of
// retro reads. Without a RETRO part transformers reads them too; with one it reads the base and leaves the rest.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "model/tensor.h"
#include "model/torch/decoder_module.h"

namespace retro {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// A weight as it is written. The view is into the tensor that `held` gets. Throws Error(kInvalidArgument) naming the
// weight when it is too large for kF16.
TensorView Converted(const std::string& name, const torch::Tensor& tensor, DataType type,
                     std::deque<torch::Tensor>& held);

// `more`: further weights by their names in the file (RetroTensors). `type`: kF32, kF16 or kBF16. Throws Error(kIo),
// and Error(kInvalidArgument) naming the weight when one is too large for kF16.
void SaveDecoder(const std::filesystem::path& folder, const DecoderConfig& config, const DecoderModule& decoder,
                 const NamedTensors& more = {}, DataType type = DataType::kF32);

}  // namespace retro
