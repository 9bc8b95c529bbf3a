#include "retriever/passage_text.h"

#include <algorithm>

#include "core/utf8.h"

namespace retro {
namespace {

constexpr size_t kMaxContinuationBytes = 3;

bool IsContinuationByte(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

std::string PassageText(const Tokenizer& tokenizer, std::span<const TokenId> tokens) {
  std::string text = tokenizer.Decode(tokens, {.skip_special = true});
  text.resize(CompleteUtf8Prefix(text));
  size_t begin = 0;
  while (begin < std::min(text.size(), kMaxContinuationBytes) && IsContinuationByte(text[begin])) ++begin;
  return ReplaceInvalidUtf8(std::string_view(text).substr(begin));
}

}  // namespace retro
