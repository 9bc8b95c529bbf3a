// The tokens of a tokenizer by id and by spelling. Immutable: const methods are safe from many threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace retro {

class TokenVocabulary {
 public:
  // An empty spelling is an id that does not exist. Where two ids are spelled alike, the first is found.
  explicit TokenVocabulary(const std::vector<std::string>& spellings);

  size_t size() const { return offsets_.size() - 1; }
  size_t longest() const { return longest_; }  // in bytes
  std::optional<TokenId> Find(std::string_view spelling) const;

  bool Has(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < size() && !At(id).empty(); }
  // Throws Error(kInvalidArgument) when there is no such id.
  std::string_view Spelling(TokenId id) const;

 private:
  std::string_view At(TokenId id) const {
    return std::string_view(text_).substr(offsets_[id], offsets_[id + 1] - offsets_[id]);
  }

  struct Slot {
    uint32_t hash = 0;
    TokenId id = -1;
  };
  std::string text_;  // all spellings, one behind the other
  std::vector<uint32_t> offsets_;
  std::vector<Slot> slots_;  // open addressing, a power of two
  size_t longest_ = 0;
};

// Throws Error(kCorruption) unless every id in `ids` is below `vocab_size`. `what` and `source` go into the message.
void CheckTokenId(TokenId id, size_t vocab_size, std::string_view what, std::string_view source);

}  // namespace retro
