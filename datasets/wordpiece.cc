#include "datasets/wordpiece.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/hash.h"
#include "datasets/pre_tokenizer_scan.h"
#include "datasets/tokenizer_vocabulary.h"
#include "datasets/tokenizer_word_cache.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

void HashModel(const WordPieceModel& model, Hasher& hasher) {
  const auto add = [&](std::string_view text) {
    hasher.Update(text);
    hasher.Update(std::string_view("\0", 1));
  };
  add("wordpiece 1");
  for (const auto& token : model.tokens) add(token);
  for (const auto& token : model.added) {
    add(fmt::format("added {} {} {}{}{}{}{}", token.id, token.content, token.special, token.single_word, token.lstrip,
                    token.rstrip, token.normalized));
  }
  const auto& n = model.normalization;
  add(fmt::format("{}{}{}{} {} {} {}", n.clean_text, n.handle_chinese_chars, n.strip_accents, n.lowercase,
                  model.continuing_prefix, model.max_word_chars, *model.special.unk));
  for (const TokenId id : model.prefix) add(fmt::format("prefix {}", id));
  for (const TokenId id : model.suffix) add(fmt::format("suffix {}", id));
}

void CheckModel(const WordPieceModel& model, const std::string& source) {
  const size_t size = model.tokens.size();
  if (size == 0) Throw(ErrorCode::kCorruption, "{}: the vocabulary has no tokens", source);
  if (!model.special.unk) {
    Throw(ErrorCode::kCorruption, "{}: WordPiece needs an unknown token, which the vocabulary lacks", source);
  }
  for (const auto& token : model.added) {
    CheckTokenId(token.id, size, fmt::format("added token \"{}\"", token.content), source);
  }
  for (const auto& id : {model.special.unk, model.special.cls, model.special.sep, model.special.pad, model.special.mask,
                         model.special.bos, model.special.eos}) {
    if (id) CheckTokenId(*id, size, "a special token", source);
  }
  for (const TokenId id : model.prefix) CheckTokenId(id, size, "a token of the template", source);
  for (const TokenId id : model.suffix) CheckTokenId(id, size, "a token of the template", source);
}

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// The spaces that the reference decoder takes out, in its order.
void CleanUp(std::string& token) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kReplacements) ReplaceAll(token, from, to);
}

size_t NumCharacters(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

class WordPiece final : public Tokenizer {
 public:
  WordPiece(WordPieceModel model, const std::string& source);

  void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const override;
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override;

  size_t vocab_size() const override { return vocabulary_.size(); }
  const SpecialTokens& special() const override { return model_.special; }
  bool IsSpecial(TokenId id) const override {
    return id >= 0 && static_cast<size_t>(id) < vocab_size() && is_special_[id];
  }
  std::optional<TokenId> Find(std::string_view token) const override { return vocabulary_.Find(token); }
  std::string_view Spelling(TokenId id) const override { return vocabulary_.Spelling(id); }
  std::string_view kind() const override { return "wordpiece"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  // What one call of Encode works with. Not kept for the next call when a very long text made it large.
  static constexpr size_t kKeptBytes = size_t{1} << 20;
  struct Scratch {
    WordCache cache;
    std::string normalized, piece;
    std::vector<TokenId> word_ids;
    std::vector<TextPart> parts, inner_parts;
  };

  AddedTokenMatcher MakeMatcher(bool normalized) const;
  void EncodePart(std::string_view text, bool parse_special, Scratch& scratch, std::vector<TokenId>& ids) const;
  void EncodeWords(std::string_view text, Scratch& scratch, std::vector<TokenId>& ids) const;
  void AddWord(std::string_view word, const char* text_end, Scratch& scratch, std::vector<TokenId>& ids) const;
  // Leaves the pieces of the word in scratch.word_ids.
  void SpellWord(std::string_view word, Scratch& scratch) const;

  WordPieceModel model_;  // without tokens
  TokenVocabulary vocabulary_;
  AddedTokenMatcher added_, added_normalized_;
  std::vector<bool> is_special_;
  std::array<TokenId, 128> ascii_ids_;  // of words of one ASCII character
  std::string fingerprint_;
  mutable ScratchPool<Scratch> scratch_;
};

WordPiece::WordPiece(WordPieceModel model, const std::string& source)
    : model_((CheckModel(model, source), std::move(model))),
      vocabulary_(model_.tokens),
      added_(MakeMatcher(false)),
      added_normalized_(MakeMatcher(true)),
      is_special_(model_.tokens.size()) {
  Hasher hasher;
  HashModel(model_, hasher);
  fingerprint_ = hasher.HexDigest();
  for (const auto& token : model_.added) is_special_[token.id] = token.special;
  model_.tokens = {};
  for (int c = 0; c < 128; ++c) {
    const char spelling = static_cast<char>(c);
    ascii_ids_[c] = vocabulary_.Find({&spelling, 1}).value_or(*model_.special.unk);
  }
}

AddedTokenMatcher WordPiece::MakeMatcher(bool normalized) const {
  std::vector<AddedToken> selected;
  for (AddedToken token : model_.added) {
    if (token.normalized != normalized) continue;
    if (normalized) {
      std::string content;
      NormalizeForBert(token.content, model_.normalization, content);
      token.content = std::move(content);
    }
    selected.push_back(std::move(token));
  }
  return AddedTokenMatcher(std::move(selected));
}

void WordPiece::Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const {
  typename ScratchPool<Scratch>::Lease scratch(scratch_);
  if (options.add_special) ids.insert(ids.end(), model_.prefix.begin(), model_.prefix.end());
  scratch->parts.clear();
  added_.Split(text, options.parse_special, scratch->parts);
  for (const TextPart& part : scratch->parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      EncodePart(part.text, options.parse_special, *scratch, ids);
    }
  }
  if (options.add_special) ids.insert(ids.end(), model_.suffix.begin(), model_.suffix.end());
  if (scratch->normalized.capacity() > kKeptBytes) scratch->normalized = {};
}

void WordPiece::EncodePart(std::string_view text, bool parse_special, Scratch& scratch,
                           std::vector<TokenId>& ids) const {
  scratch.normalized.clear();
  NormalizeForBert(text, model_.normalization, scratch.normalized);
  scratch.inner_parts.clear();
  added_normalized_.Split(scratch.normalized, parse_special, scratch.inner_parts);
  for (const TextPart& part : scratch.inner_parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      EncodeWords(part.text, scratch, ids);
    }
  }
}

void WordPiece::EncodeWords(std::string_view text, Scratch& scratch, std::vector<TokenId>& ids) const {
  const uint8_t* const classes = CharClassTable();
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const ScannedChar first = ScanChar(p, end);
    const uint8_t char_class = ClassOf(classes, first);
    const char* const begin = p;
    p += first.length;
    if (char_class & kWhiteSpace) continue;
    if (char_class & kPunctuation) {
      if (first.value < 0x80) {
        ids.push_back(ascii_ids_[first.value]);
        continue;
      }
    } else {
      while (true) {
        p = pre_tokenizer::SkipLetters(classes, p, end);
        if (p == end) break;
        const ScannedChar c = ScanChar(p, end);
        if (ClassOf(classes, c) & (kWhiteSpace | kPunctuation)) break;
        p += c.length;
      }
    }
    AddWord({begin, static_cast<size_t>(p - begin)}, end, scratch, ids);
  }
}

void WordPiece::AddWord(std::string_view word, const char* text_end, Scratch& scratch,
                        std::vector<TokenId>& ids) const {
  if (word.size() > WordCache::kMaxWordBytes) {
    SpellWord(word, scratch);
    ids.insert(ids.end(), scratch.word_ids.begin(), scratch.word_ids.end());
    return;
  }
  const auto key = WordCache::MakeKey(word, text_end);
  TokenId held[WordCache::kMaxIds];
  const int count = scratch.cache.Find(key, held);
  if (count >= 0) {
    ids.insert(ids.end(), held, held + count);
    return;
  }
  SpellWord(word, scratch);
  scratch.cache.Insert(key, scratch.word_ids);
  ids.insert(ids.end(), scratch.word_ids.begin(), scratch.word_ids.end());
}

void WordPiece::SpellWord(std::string_view word, Scratch& scratch) const {
  auto& ids = scratch.word_ids;
  ids.assign(1, *model_.special.unk);
  if (word.size() > model_.max_word_chars && NumCharacters(word) > model_.max_word_chars) return;
  std::vector<TokenId> pieces;
  for (size_t begin = 0; begin < word.size();) {
    const std::string_view prefix = begin > 0 ? std::string_view(model_.continuing_prefix) : std::string_view();
    size_t length = std::min(word.size() - begin, vocabulary_.longest());
    std::optional<TokenId> id;
    for (; length > 0; --length) {
      const bool cuts_character = begin + length < word.size() && (word[begin + length] & 0xC0) == 0x80;
      if (cuts_character) continue;
      scratch.piece.assign(prefix).append(word.substr(begin, length));
      id = vocabulary_.Find(scratch.piece);
      if (id) break;
    }
    if (!id) return;
    pieces.push_back(*id);
    begin += length;
  }
  ids = std::move(pieces);
}

std::string WordPiece::Decode(std::span<const TokenId> ids, const DecodeOptions& options) const {
  std::string text;
  std::string token;
  bool first = true;
  for (const TokenId id : ids) {
    token = vocabulary_.Spelling(id);
    if (options.skip_special && is_special_[id]) continue;
    if (!first) {
      if (token.starts_with(model_.decoder_prefix)) {
        token.erase(0, model_.decoder_prefix.size());
      } else {
        token.insert(0, 1, ' ');
      }
    }
    if (model_.decoder_cleanup) CleanUp(token);
    text += token;
    first = false;
  }
  return text;
}

}  // namespace

std::unique_ptr<Tokenizer> MakeWordPiece(WordPieceModel model, const std::string& source) {
  return std::make_unique<WordPiece>(std::move(model), source);
}

}  // namespace retro
