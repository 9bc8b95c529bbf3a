#include "training/token_bytes.h"

#include <array>

namespace retro {
namespace {

size_t DecodedBytes(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  return tokenizer.Decode(ids, {.skip_special = true}).size();
}

}  // namespace

std::vector<uint32_t> TokenBytes(const Tokenizer& tokenizer) {
  const auto vocab_size = static_cast<TokenId>(tokenizer.vocab_size());
  TokenId before = 0;
  while (before + 1 < vocab_size && (tokenizer.IsSpecial(before) || DecodedBytes(tokenizer, {&before, 1}) == 0)) {
    ++before;
  }
  // Measured behind another token: some tokenizers drop a blank at the beginning of a text.
  const size_t alone = DecodedBytes(tokenizer, {&before, 1});
  std::vector<uint32_t> bytes(tokenizer.vocab_size(), 0);
  for (TokenId id = 0; id < vocab_size; ++id) {
    if (tokenizer.IsSpecial(id)) continue;
    const std::array<TokenId, 2> pair = {before, id};
    const size_t both = DecodedBytes(tokenizer, pair);
    bytes[id] = static_cast<uint32_t>(both > alone ? both - alone : 0);
  }
  return bytes;
}

}  // namespace retro
