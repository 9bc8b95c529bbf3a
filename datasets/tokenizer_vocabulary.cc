#include "datasets/tokenizer_vocabulary.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/error.h"
#include "core/hash.h"

namespace retro {

TokenVocabulary::TokenVocabulary(const std::vector<std::string>& spellings) {
  size_t num_bytes = 0;
  for (const auto& spelling : spellings) num_bytes += spelling.size();
  if (num_bytes > std::numeric_limits<uint32_t>::max() || spellings.size() > (size_t{1} << 30)) {
    Throw(ErrorCode::kInvalidArgument, "a vocabulary of {} tokens and {} bytes is too large", spellings.size(),
          num_bytes);
  }
  text_.reserve(num_bytes);
  offsets_.reserve(spellings.size() + 1);
  slots_.resize(std::bit_ceil(spellings.size() * 2 + 2));
  offsets_.push_back(0);
  for (const auto& spelling : spellings) {
    text_ += spelling;
    offsets_.push_back(static_cast<uint32_t>(text_.size()));
    longest_ = std::max(longest_, spelling.size());
  }
  for (TokenId id = 0; id < static_cast<TokenId>(spellings.size()); ++id) {
    if (spellings[id].empty() || Find(spellings[id])) continue;
    const auto hash = static_cast<uint32_t>(HashBytes(spellings[id]));
    size_t slot = hash & (slots_.size() - 1);
    while (slots_[slot].id >= 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = {hash, id};
  }
}

std::optional<TokenId> TokenVocabulary::Find(std::string_view spelling) const {
  const auto hash = static_cast<uint32_t>(HashBytes(spelling));
  for (size_t slot = hash & (slots_.size() - 1); slots_[slot].id >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].hash == hash && At(slots_[slot].id) == spelling) return slots_[slot].id;
  }
  return std::nullopt;
}

std::string_view TokenVocabulary::Spelling(TokenId id) const {
  if (!Has(id)) Throw(ErrorCode::kInvalidArgument, "token id {} is not in the vocabulary of {} ids", id, size());
  return At(id);
}

void CheckTokenId(TokenId id, size_t vocab_size, std::string_view what, std::string_view source) {
  if (id >= 0 && static_cast<size_t>(id) < vocab_size) return;
  Throw(ErrorCode::kCorruption, "{}: {} has id {}, but the vocabulary has {} ids", source, what, id, vocab_size);
}

}  // namespace retro
