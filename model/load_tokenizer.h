// The tokenizer of whatever a path names: a model folder, a tokenizer file, or a GGUF file with its tokenizer inside.
#pragma once

#include <filesystem>
#include <memory>

#include "datasets/tokenizer.h"

namespace retro {

// Throws Error(kNotFound, kCorruption, kInvalidArgument) naming the file and what is not supported.
std::unique_ptr<Tokenizer> LoadTokenizer(const std::filesystem::path& path);

// Copies the files of a tokenizer into a model's folder. `tokenizer`: a folder or a file; a .gguf's, which is inside
// it, is not copied. Throws Error(kIo, kNotFound).
void CopyTokenizerFiles(const std::filesystem::path& tokenizer, const std::filesystem::path& folder);

}  // namespace retro
