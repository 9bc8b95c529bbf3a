// LoRA on the LibTorch decoder: the matrices that learn beside a frozen base, and their files in PEFT's layout.
// Shows LibTorch: for model/torch/ and training/torch/ only.
#pragma once

#include <filesystem>
#include <vector>

#include "model/lora_adapter.h"
#include "model/torch/decoder_module.h"

namespace retro {

// One thread at a time. Shares the module's parameters.
class LoraWeights {
 public:
  // Freezes all of `decoder` and gives it new updates that change nothing yet: A is drawn as peft draws it (uniform
  // within 1 / sqrt(in)) from LibTorch's generator, B is zero. Throws Error(kInvalidArgument) as LoraTargets.
  LoraWeights(const LoraConfig& config, const DecoderConfig& decoder_config, DecoderModule& decoder);

  const LoraConfig& config() const { return config_; }

  // The values of an adapter's folder, which must be of the same rank and targets. Throws Error: kInvalidArgument when
  // it is not, kCorruption, kNotFound.
  void Load(const std::filesystem::path& folder);
  // adapter_config.json and adapter_model.safetensors, fp32. Throws Error(kIo).
  void Save(const std::filesystem::path& folder) const;

 private:
  struct Matrices {
    LoraTarget target;
    torch::Tensor a;
    std::vector<torch::Tensor> b;  // of q, k and v where the file has them as one
  };

  LoraConfig config_;
  DecoderConfig decoder_;
  std::vector<Matrices> matrices_;
};

}  // namespace retro
