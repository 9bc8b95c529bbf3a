// Tokens beside the trained vocabulary that are recognized in the text before anything else looks at it: special
// tokens ("<|im_start|>", "[CLS]") and words that a user added.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace retro {

struct AddedToken {
  TokenId id = 0;
  std::string content;       // as it stands in the text
  bool special = false;      // recognized only with EncodeOptions::parse_special
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // matched against normalized text
};

// A part of a text: an added token, or (id < 0) what lies between.
struct TextPart {
  std::string_view text;
  TokenId id = -1;
};

// Finds added tokens: leftmost first, of those the longest. Immutable: const methods are safe from many threads.
class AddedTokenMatcher {
 public:
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);
  ~AddedTokenMatcher();
  AddedTokenMatcher(AddedTokenMatcher&&) noexcept;

  bool empty() const { return tokens_.empty(); }

  // Appends the parts of `text` in order, without empty ones; special tokens stay ordinary text unless `parse_special`.
  void Split(std::string_view text, bool parse_special, std::vector<TextPart>& parts) const;

 private:
  struct Trie;
  std::vector<AddedToken> tokens_;
  bool any_plain_ = false;  // a token that is not special
  std::unique_ptr<Trie> trie_;
};

}  // namespace retro
