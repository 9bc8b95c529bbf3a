// A LoRA adapter put into the weights of its base for good: the result is a model of its own. Shows no LibTorch header.
#pragma once

#include <filesystem>

namespace retro {

// Writes config.json and model.safetensors of base + adapter in Hugging Face layout, fp32, into an existing folder.
// Throws Error as OpenDecoder, and kIo.
void MergeAdapter(const std::filesystem::path& base, const std::filesystem::path& adapter,
                  const std::filesystem::path& folder);

}  // namespace retro
