// The files beside a model's weights by which transformers finds its tokenizer and how to generate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "datasets/tokenizer.h"

namespace retro {

// bos_token_id, eos_token_id and pad_token_id, as far as the vocabulary has them.
nlohmann::json SpecialTokenIds(const Tokenizer& tokenizer);

// Writes tokenizer.json, tokenizer_config.json and generation_config.json into `folder`. `path`: what `tokenizer` was
// loaded from. Files of a folder in Hugging Face layout are copied as they are; the vocabulary inside a .gguf file and
// a sentencepiece model (copied, too) are written anew, with the chat template where the model has one.
// Throws Error(kIo, kInvalidArgument).
void ExportTokenizer(const std::filesystem::path& path, const Tokenizer& tokenizer, int64_t context_len,
                     const std::filesystem::path& folder);

}  // namespace retro
