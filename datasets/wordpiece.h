// WordPiece as BERT uses it: text is cleaned, cut at white space and punctuation, and each word spelled greedily with
// the longest pieces. What was cleaned away does not come back on decoding.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datasets/tokenizer.h"
#include "datasets/tokenizer_added_tokens.h"
#include "datasets/wordpiece_normalizer.h"

namespace retro {

// What a tokenizer.json or a vocab.txt say, before it is checked.
struct WordPieceModel {
  std::vector<std::string> tokens;  // by id; empty: no such id
  std::vector<AddedToken> added;    // ids inside `tokens`
  BertNormalization normalization;
  std::string continuing_prefix = "##";  // before pieces that are not the first of their word
  size_t max_word_chars = 100;           // longer words are unknown
  std::string decoder_prefix = "##";
  bool decoder_cleanup = true;  // no space before punctuation and contractions
  SpecialTokens special;        // unk is needed
  // Ids that EncodeOptions::add_special puts around the text.
  std::vector<TokenId> prefix, suffix;
};

// `source` names the file in messages. Throws Error(kCorruption) naming the token that cannot be.
std::unique_ptr<Tokenizer> MakeWordPiece(WordPieceModel model, const std::string& source);

// From a vocab.txt (a token a line), with the settings of a tokenizer_config.json beside it if there is one.
// Throws Error(kNotFound, kIo, kCorruption).
std::unique_ptr<Tokenizer> LoadWordPieceVocabulary(const std::filesystem::path& vocab_txt);

}  // namespace retro
