// Writes a decoder in Hugging Face layout.
#pragma once
#include <filesystem>

#include "model/torch/decoder_module.h"
namespace retro {
void SaveDecoder(const std::filesystem::path& folder, const DecoderConfig& config, const DecoderModule& decoder);
}
