// The tokenizer of whatever a path names: a model folder, a tokenizer file, or a GGUF file with its tokenizer inside.
#pragma once

#include <filesystem>
#include <memory>

#include "datasets/tokenizer.h"

namespace retro {

// Throws Error(kNotFound, kCorruption, kInvalidArgument) naming the file and what is not supported.
std::unique_ptr<Tokenizer> LoadTokenizer(const std::filesystem::path& path);

}  // namespace retro
