// Tokenizers written as a tokenizer.json of Hugging Face's tokenizers library.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "datasets/byte_level_bpe.h"

namespace retro {

// Gives the ids that MakeByteLevelBpe gives, there and through LoadTokenizerFile here.
nlohmann::json TokenizerJson(const ByteLevelBpeModel& model);

// A sentencepiece .model, unigram or BPE. For programs that read no .model; retro reads the .model itself. The same
// scores and normalization; text of a control token becomes that token there, always.
// Throws Error(kNotFound, kIo, kCorruption), and kInvalidArgument for a model of words or characters or one that keeps
// spaces as suffixes.
nlohmann::json SentencePieceTokenizerJson(const std::filesystem::path& path);

}  // namespace retro
