// Bytes and the marks of ChatML.
#pragma once

#include "model/chat_template.h"
#include "tests/testing/byte_tokenizer.h"

namespace retro {

class ChatTokenizer final : public Tokenizer {
 public:
  static constexpr TokenId kBegin = 256, kEnd = 257;

  using Tokenizer::Decode;
  using Tokenizer::Encode;
  void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const override {
    bytes_.Encode(text, options, ids);
  }
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
    return bytes_.Decode(ids, options);
  }
  size_t vocab_size() const override { return bytes_.vocab_size(); }
  const SpecialTokens& special() const override { return bytes_.special(); }
  bool IsSpecial(TokenId id) const override { return bytes_.IsSpecial(id); }
  std::optional<TokenId> Find(std::string_view token) const override {
    if (token == "<|im_start|>") return kBegin;
    if (token == "<|im_end|>") return kEnd;
    return std::nullopt;
  }
  std::string_view Spelling(TokenId) const override { return ""; }
  std::string_view kind() const override { return "bytes"; }
  const std::string& fingerprint() const override { return bytes_.fingerprint(); }

 private:
  ByteTokenizer bytes_{258};
};

inline ChatTemplate ChatMl() {
  return ChatTemplate::Parse(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}", "test");
}

}  // namespace retro
