// The BERT encoder run by LibTorch on a device of choice: for index builds where a GPU is at hand.
// Shows no LibTorch header.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/text_encoder.h"

namespace retro {

// As LoadTextEncoder, with the same fingerprint: the embeddings agree but for rounding. Embed() of the result sorts by
// length and pads inside, and leaves the pool alone. `device`: "cpu", "cuda" or "cuda:N". Throws Error: kUnavailable
// when this LibTorch has no such device.
std::unique_ptr<TextEncoder> LoadTorchTextEncoder(const std::filesystem::path& folder, const std::string& device);

}  // namespace retro
