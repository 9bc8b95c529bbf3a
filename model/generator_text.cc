#include "model/generator_text.h"

namespace retro {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kMaxWaiting = 4;  // no character has more bytes

}  // namespace

TokenText::TokenText(const Tokenizer& tokenizer, std::span<const TokenId> before) : tokenizer_(tokenizer) {
  if (before.empty()) return;
  window_.push_back(before.back());
  num_out_ = tokenizer_.Decode(window_, {.skip_special = true}).size();
}

std::string TokenText::Push(TokenId token) {
  window_.push_back(token);
  const std::string text = tokenizer_.Decode(window_, {.skip_special = true});
  // Some tokenizers give U+FFFD for bytes that the next token may complete.
  if (text.ends_with(kReplacement) && window_.size() <= kMaxWaiting) return {};
  return Release(text);
}

std::string TokenText::Finish() { return Release(tokenizer_.Decode(window_, {.skip_special = true})); }

std::string TokenText::Release(const std::string& text) {
  std::string added = text.substr(std::min(num_out_, text.size()));
  if (!window_.empty()) window_.erase(window_.begin(), window_.end() - 1);
  num_out_ = tokenizer_.Decode(window_, {.skip_special = true}).size();
  return added;
}

}  // namespace retro
