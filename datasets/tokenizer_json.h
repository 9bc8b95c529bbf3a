// The tokenizer.json of Hugging Face: byte-level BPE and WordPiece. Truncation and padding in it are not ours to apply.
#pragma once

#include <filesystem>
#include <memory>

#include "datasets/tokenizer.h"

namespace retro {

// A tokenizer_config.json beside the file says which tokens are bos, eos and so on; without it common names count.
// Throws Error(kNotFound, kIo), kCorruption when a field is not what it must be, and kInvalidArgument naming the field
// whose setting is not supported.
std::unique_ptr<Tokenizer> LoadTokenizerJson(const std::filesystem::path& path);

}  // namespace retro
