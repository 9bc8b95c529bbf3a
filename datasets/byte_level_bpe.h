// Byte-level byte-pair encoding, as GPT-2, LLaMA 3, SmolLM and others use it: any bytes go in and come back out.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "datasets/pre_tokenizer.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_added_tokens.h"

namespace retro {

// What a tokenizer.json or the metadata of a GGUF file say, before it is checked.
struct ByteLevelBpeModel {
  std::vector<std::string> tokens;  // by id, in byte-level spelling ("Ġthe"), added ones as they are; empty: no such id
  std::vector<std::string> merges;  // "Ġt he", the most urgent first
  std::vector<AddedToken> added;    // ids inside `tokens`
  PreTokenizerKind pre_tokenizer = PreTokenizerKind::kGpt2;
  bool add_prefix_space = false;  // a space before every text that does not begin with one
  bool normalize_nfc = false;
  bool ignore_merges = false;  // a word that is a token as a whole is taken without merging
  bool fuse_unknown = false;   // neighbouring unknown bytes become one `special.unk`
  SpecialTokens special;       // unk stands for bytes that have no token; without it they are left out
  // Ids that EncodeOptions::add_special puts around the text.
  std::vector<TokenId> prefix, suffix;
};

// Makes the tokenizer. `source` names the file in messages. Throws Error(kCorruption) naming the token or merge that
// cannot be.
std::unique_ptr<Tokenizer> MakeByteLevelBpe(ByteLevelBpeModel model, const std::string& source);

// "Ġthe" to " the"; absent when `spelling` has a character that stands for no byte.
std::optional<std::string> BytesOfByteLevelSpelling(std::string_view spelling);

// " the" to "Ġthe".
std::string ByteLevelSpelling(std::string_view bytes);

}  // namespace retro
