// Models of the sentencepiece library behind the Tokenizer interface. Encoding and decoding lose what sentencepiece
// loses: its normalization, and runs of spaces unless the model was trained to keep them.
#pragma once

#include <filesystem>
#include <memory>

#include "datasets/tokenizer.h"

namespace retro {

// A .model file. EncodeOptions::add_special puts bos in front when the model has one, otherwise eos behind.
// Throws Error(kNotFound, kIo, kCorruption).
std::unique_ptr<Tokenizer> LoadSentencePiece(const std::filesystem::path& path);

}  // namespace retro
