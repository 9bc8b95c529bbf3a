// A tokenizer for tests: every byte is a token.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "datasets/tokenizer.h"

namespace retro {

class ByteTokenizer final : public Tokenizer {
 public:
  // A vocabulary of more than 256 is made of the bytes and of tokens that no text has; the last one ends a document.
  explicit ByteTokenizer(size_t vocab_size = 257)
      : vocab_size_(vocab_size), fingerprint_("bytes " + std::to_string(vocab_size)) {
    special_.eos = static_cast<TokenId>(vocab_size - 1);
  }

  void Encode(std::string_view text, const EncodeOptions&, std::vector<TokenId>& ids) const override {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  }
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < 0 || static_cast<size_t>(id) >= vocab_size_) Throw(ErrorCode::kInvalidArgument, "token {}", id);
      if (id < 256) text += static_cast<char>(id);
      if (id >= 256 && !options.skip_special) text += "<end>";
    }
    return text;
  }
  using Tokenizer::Decode;
  using Tokenizer::Encode;

  size_t vocab_size() const override { return vocab_size_; }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId id) const override { return id >= 256; }
  std::optional<TokenId> Find(std::string_view) const override { return std::nullopt; }
  std::string_view Spelling(TokenId) const override { return ""; }
  std::string_view kind() const override { return "bytes"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  size_t vocab_size_;
  SpecialTokens special_;
  std::string fingerprint_;
};

}  // namespace retro
