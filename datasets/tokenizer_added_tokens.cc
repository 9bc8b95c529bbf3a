#include "datasets/tokenizer_added_tokens.h"

#include <array>
#include <map>
#include <optional>

#include "core/error.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

// Keeps a search linear in the text. The longest real ones have some 40 bytes.
constexpr size_t kMaxContentBytes = 1024;

// The character that ends at text[end).
ScannedChar CharBefore(std::string_view text, size_t end) {
  for (size_t length = 1; length <= 4 && length <= end; ++length) {
    const ScannedChar c = ScanChar(text.data() + end - length, text.data() + end);
    if (c.valid && c.length == length) return c;
  }
  return {};
}

bool WordCharacterAt(std::string_view text, size_t begin) {
  if (begin >= text.size()) return false;
  const ScannedChar c = ScanChar(text.data() + begin, text.data() + text.size());
  return c.valid && IsWordCharacter(c.value);
}

bool WordCharacterBefore(std::string_view text, size_t end) {
  const ScannedChar c = CharBefore(text, end);
  return c.valid && IsWordCharacter(c.value);
}

size_t StripLeft(std::string_view text, size_t end) {
  while (end > 0) {
    const ScannedChar c = CharBefore(text, end);
    if (!(ClassOf(CharClassTable(), c) & kWhiteSpace)) break;
    end -= c.length;
  }
  return end;
}

size_t StripRight(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const ScannedChar c = ScanChar(text.data() + begin, text.data() + text.size());
    if (!(ClassOf(CharClassTable(), c) & kWhiteSpace)) break;
    begin += c.length;
  }
  return begin;
}

}  // namespace

// Nodes of bytes; node 0 is the root.
struct AddedTokenMatcher::Trie {
  struct Node {
    std::map<uint8_t, uint32_t> children;
    int32_t token = -1;  // index into tokens_
  };
  struct Match {
    size_t begin, end;
    const AddedToken* token;
  };
  std::vector<Node> nodes{1};
  std::array<bool, 256> begins = {};

  void Add(std::string_view content, int32_t token) {
    uint32_t node = 0;
    for (const char c : content) {
      const auto [child, is_new] = nodes[node].children.try_emplace(static_cast<uint8_t>(c), nodes.size());
      node = child->second;
      if (is_new) nodes.emplace_back();
    }
    nodes[node].token = token;
    begins[static_cast<uint8_t>(content[0])] = true;
  }

  std::optional<Match> FindFrom(std::string_view text, size_t from, const std::vector<AddedToken>& tokens) const {
    for (size_t begin = from; begin < text.size(); ++begin) {
      if (!begins[static_cast<uint8_t>(text[begin])]) continue;
      std::optional<Match> longest;
      uint32_t node = 0;
      for (size_t i = begin; i < text.size(); ++i) {
        const auto child = nodes[node].children.find(static_cast<uint8_t>(text[i]));
        if (child == nodes[node].children.end()) break;
        node = child->second;
        if (nodes[node].token >= 0) longest = Match{begin, i + 1, &tokens[nodes[node].token]};
      }
      if (longest) return longest;
    }
    return std::nullopt;
  }
};

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(std::make_unique<Trie>()) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    if (token.content.empty()) continue;
    if (token.content.size() > kMaxContentBytes) {
      Throw(ErrorCode::kCorruption, "added token {} has {} bytes; at most {} are supported", token.id,
            token.content.size(), kMaxContentBytes);
    }
    trie_->Add(token.content, static_cast<int32_t>(i));
    any_plain_ |= !token.special;
  }
}

AddedTokenMatcher::~AddedTokenMatcher() = default;
AddedTokenMatcher::AddedTokenMatcher(AddedTokenMatcher&&) noexcept = default;

// A match that does not count (a special token as ordinary text, a part of a word) still hides those that overlap it:
// the reference library does so.
void AddedTokenMatcher::Split(std::string_view text, bool parse_special, std::vector<TextPart>& parts) const {
  const auto add_text = [&](size_t begin, size_t end) {
    if (begin < end) parts.push_back({text.substr(begin, end - begin), -1});
  };
  if (tokens_.empty() || (!parse_special && !any_plain_)) return add_text(0, text.size());
  size_t done = 0;
  size_t from = 0;
  while (const auto match = trie_->FindFrom(text, from, tokens_)) {
    from = match->end;
    const AddedToken& token = *match->token;
    if (token.special && !parse_special) continue;
    if (token.single_word && (WordCharacterBefore(text, match->begin) || WordCharacterAt(text, match->end))) continue;
    const size_t begin = token.lstrip ? std::max(StripLeft(text, match->begin), done) : match->begin;
    const size_t end = token.rstrip ? StripRight(text, match->end) : match->end;
    add_text(done, begin);
    parts.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  add_text(done, text.size());
}

}  // namespace retro
