// The bytes that each further token adds to a text, for any kind of tokenizer.
#pragma once

#include <string>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"

namespace retro {

// A tokenizer's text of a token depends on the one before (spaces of sentencepiece and WordPiece) and, where bytes are
// tokens, on those that follow. One thread at a time; `tokenizer` must outlive it.
class TokenText {
 public:
  // `before`: the text's last token before the first one pushed, if any.
  TokenText(const Tokenizer& tokenizer, std::span<const TokenId> before);

  // What `token` adds, special tokens nothing. Characters in several byte tokens come with their last one.
  std::string Push(TokenId token);
  // What was waiting for further tokens.
  std::string Finish();

 private:
  std::string Release(const std::string& text);

  const Tokenizer& tokenizer_;
  std::vector<TokenId> window_;  // one token that is out already, then those that are not
  size_t num_out_ = 0;           // bytes of the window's text that are out
};

}  // namespace retro
