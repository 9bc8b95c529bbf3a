#include "datasets/byte_level_bpe.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "core/hash.h"
#include "core/utf8.h"
#include "datasets/bpe_merger.h"
#include "datasets/pre_tokenizer_scan.h"
#include "datasets/tokenizer_vocabulary.h"
#include "datasets/tokenizer_word_cache.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

// GPT-2's spelling of bytes: printable ones as themselves, the others as U+0100 and up in order.
struct ByteAlphabet {
  std::array<char32_t, 256> to_char;
  std::array<int16_t, 0x144> to_byte;  // -1: stands for no byte

  ByteAlphabet() {
    to_byte.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      to_char[byte] = printable ? static_cast<char32_t>(byte) : next++;
      to_byte[to_char[byte]] = static_cast<int16_t>(byte);
    }
  }
};

const ByteAlphabet& Alphabet() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

void HashModel(const ByteLevelBpeModel& model, Hasher& hasher) {
  const auto add = [&](std::string_view text) {
    hasher.Update(text);
    hasher.Update(std::string_view("\0", 1));
  };
  add("byte-level bpe 1");
  for (const auto& token : model.tokens) add(token);
  add("merges");
  for (const auto& merge : model.merges) add(merge);
  for (const auto& token : model.added) {
    add(fmt::format("added {} {} {}{}{}{}{}", token.id, token.content, token.special, token.single_word, token.lstrip,
                    token.rstrip, token.normalized));
  }
  add(fmt::format("{} {}{}{}{}", static_cast<int>(model.pre_tokenizer), model.add_prefix_space, model.normalize_nfc,
                  model.ignore_merges, model.fuse_unknown));
  add(fmt::format("unk {}", model.special.unk.value_or(-1)));
  for (const TokenId id : model.prefix) add(fmt::format("prefix {}", id));
  for (const TokenId id : model.suffix) add(fmt::format("suffix {}", id));
}

void CheckIds(const ByteLevelBpeModel& model, const std::string& source) {
  const size_t size = model.tokens.size();
  if (size == 0) Throw(ErrorCode::kCorruption, "{}: the vocabulary has no tokens", source);
  for (const auto& token : model.added) {
    CheckTokenId(token.id, size, fmt::format("added token \"{}\"", token.content), source);
  }
  const auto check = [&](std::optional<TokenId> id, std::string_view what) {
    if (id) CheckTokenId(*id, size, what, source);
  };
  check(model.special.bos, "the bos token");
  check(model.special.eos, "the eos token");
  check(model.special.pad, "the pad token");
  check(model.special.unk, "the unknown token");
  check(model.special.cls, "the cls token");
  check(model.special.sep, "the sep token");
  check(model.special.mask, "the mask token");
  for (const TokenId id : model.prefix) check(id, "a token of the template");
  for (const TokenId id : model.suffix) check(id, "a token of the template");
}

BpeMerges MakeMerges(const ByteLevelBpeModel& model, const TokenVocabulary& vocabulary, const std::string& source) {
  BpeMerges merges(model.merges.size());
  if (model.merges.size() >= BpeMerges::kNoMerge) Throw(ErrorCode::kCorruption, "{}: too many merges", source);
  std::string joined;
  for (uint32_t rank = 0; rank < model.merges.size(); ++rank) {
    const std::string_view merge = model.merges[rank];
    const size_t space = merge.find(' ');
    if (space == 0 || space == std::string::npos || space + 1 == merge.size()) {
      Throw(ErrorCode::kCorruption, "{}: merge {} (\"{}\") is not two tokens with a space between them", source, rank,
            merge);
    }
    const auto find = [&](std::string_view token) {
      const auto id = vocabulary.Find(token);
      if (!id) {
        Throw(ErrorCode::kCorruption, "{}: merge {} (\"{}\") needs the token \"{}\", which the vocabulary lacks",
              source, rank, merge, token);
      }
      return *id;
    };
    joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
    const TokenId left = find(merge.substr(0, space));
    const TokenId right = find(merge.substr(space + 1));
    merges.Set(left, right, {rank, find(joined)});
  }
  return merges;
}

class ByteLevelBpe final : public Tokenizer {
 public:
  ByteLevelBpe(ByteLevelBpeModel model, const std::string& source);

  void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const override;
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override;

  size_t vocab_size() const override { return vocabulary_.size(); }
  const SpecialTokens& special() const override { return model_.special; }
  bool IsSpecial(TokenId id) const override {
    return id >= 0 && static_cast<size_t>(id) < vocab_size() && traits_[id].special;
  }
  std::optional<TokenId> Find(std::string_view token) const override { return vocabulary_.Find(token); }
  std::string_view Spelling(TokenId id) const override { return vocabulary_.Spelling(id); }
  std::string_view kind() const override { return "bpe"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  struct Traits {
    bool added = false;
    bool special = false;
  };

  // What one call of Encode works with. Not kept for the next call when a very long word made it large.
  static constexpr size_t kKeptSymbols = size_t{1} << 16;
  struct Scratch {
    WordCache cache;
    BpeMerger merger;
    std::vector<TokenId> symbols;
    std::vector<TextPart> parts, inner_parts;
  };

  void FillBytes();
  static std::vector<AddedToken> Select(const std::vector<AddedToken>& added, bool normalized);
  void EncodePart(std::string_view text, bool parse_special, Scratch& scratch, std::vector<TokenId>& ids) const;
  void EncodePlain(std::string_view text, Scratch& scratch, std::vector<TokenId>& ids) const;
  template <PreTokenizerKind kind>
  void EncodeWords(std::string_view text, Scratch& scratch, std::vector<TokenId>& ids) const;
  // Leaves the ids of the word in scratch.symbols.
  void EncodeWord(std::string_view word, Scratch& scratch) const;

  ByteLevelBpeModel model_;  // without tokens, merges and added
  TokenVocabulary vocabulary_;
  BpeMerges merges_;
  AddedTokenMatcher added_, added_normalized_;
  std::vector<Traits> traits_;
  std::array<TokenId, 256> byte_ids_;  // -1: no token
  std::string bytes_;                  // of all tokens, one behind the other
  std::vector<uint32_t> byte_offsets_;
  std::string fingerprint_;
  mutable ScratchPool<Scratch> scratch_;
};

ByteLevelBpe::ByteLevelBpe(ByteLevelBpeModel model, const std::string& source)
    : vocabulary_((CheckIds(model, source), model.tokens)),
      merges_(MakeMerges(model, vocabulary_, source)),
      added_(Select(model.added, false)),
      added_normalized_(Select(model.added, true)),
      traits_(model.tokens.size()) {
  Hasher hasher;
  HashModel(model, hasher);
  fingerprint_ = hasher.HexDigest();
  for (const auto& token : model.added) traits_[token.id] = {true, token.special};
  model_ = std::move(model);
  model_.tokens = {};
  model_.merges = {};
  FillBytes();
}

std::vector<AddedToken> ByteLevelBpe::Select(const std::vector<AddedToken>& added, bool normalized) {
  std::vector<AddedToken> selected;
  std::copy_if(added.begin(), added.end(), std::back_inserter(selected),
               [&](const AddedToken& token) { return token.normalized == normalized; });
  for (auto& token : selected) {
    if (normalized) token.content = ComposeCanonically(token.content);
  }
  return selected;
}

void ByteLevelBpe::FillBytes() {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const auto id = vocabulary_.Find(ByteLevelSpelling({&c, 1}));
    byte_ids_[byte] = id ? *id : -1;
  }
  std::vector<std::string_view> contents(vocab_size());
  for (const auto& token : model_.added) contents[token.id] = token.content;
  byte_offsets_.push_back(0);
  for (TokenId id = 0; id < static_cast<TokenId>(vocab_size()); ++id) {
    if (vocabulary_.Has(id)) {
      const auto bytes = BytesOfByteLevelSpelling(vocabulary_.Spelling(id));
      bytes_ += traits_[id].added ? contents[id] : bytes ? std::string_view(*bytes) : vocabulary_.Spelling(id);
    }
    byte_offsets_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
}

void ByteLevelBpe::Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const {
  if (text.size() > std::numeric_limits<int32_t>::max()) {
    Throw(ErrorCode::kInvalidArgument, "a text of {} bytes is too long to encode at once: split it", text.size());
  }
  typename ScratchPool<Scratch>::Lease scratch(scratch_);
  if (options.add_special) ids.insert(ids.end(), model_.prefix.begin(), model_.prefix.end());
  scratch->parts.clear();
  added_.Split(text, options.parse_special, scratch->parts);
  for (size_t i = 0; i < scratch->parts.size(); ++i) {
    const TextPart part = scratch->parts[i];
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      EncodePart(part.text, options.parse_special, *scratch, ids);
    }
  }
  if (options.add_special) ids.insert(ids.end(), model_.suffix.begin(), model_.suffix.end());
  if (scratch->symbols.capacity() > kKeptSymbols) scratch->symbols = {};
}

void ByteLevelBpe::EncodePart(std::string_view text, bool parse_special, Scratch& scratch,
                              std::vector<TokenId>& ids) const {
  std::string normalized;
  if (model_.normalize_nfc && std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) {
    normalized = ComposeCanonically(text);
    text = normalized;
  }
  if (added_normalized_.empty()) return EncodePlain(text, scratch, ids);
  scratch.inner_parts.clear();
  added_normalized_.Split(text, parse_special, scratch.inner_parts);
  for (const TextPart& part : scratch.inner_parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      EncodePlain(part.text, scratch, ids);
    }
  }
}

void ByteLevelBpe::EncodePlain(std::string_view text, Scratch& scratch, std::vector<TokenId>& ids) const {
  std::string prefixed;
  if (model_.add_prefix_space && !text.starts_with(' ')) {
    prefixed.reserve(text.size() + 1);
    prefixed.append(1, ' ').append(text);
    text = prefixed;
  }
  switch (model_.pre_tokenizer) {
    case PreTokenizerKind::kNone:
      return EncodeWords<PreTokenizerKind::kNone>(text, scratch, ids);
    case PreTokenizerKind::kGpt2:
      return EncodeWords<PreTokenizerKind::kGpt2>(text, scratch, ids);
    case PreTokenizerKind::kSmolLm:
      return EncodeWords<PreTokenizerKind::kSmolLm>(text, scratch, ids);
    case PreTokenizerKind::kLlama3:
      return EncodeWords<PreTokenizerKind::kLlama3>(text, scratch, ids);
    case PreTokenizerKind::kQwen2:
      return EncodeWords<PreTokenizerKind::kQwen2>(text, scratch, ids);
  }
}

template <PreTokenizerKind kind>
void ByteLevelBpe::EncodeWords(std::string_view text, Scratch& scratch, std::vector<TokenId>& ids) const {
  const uint8_t* const classes = CharClassTable();
  const char* const end = text.data() + text.size();
  constexpr size_t kBufferedIds = 512;
  TokenId buffer[kBufferedIds + WordCache::kMaxIds];
  size_t num_buffered = 0;
  const auto flush = [&] {
    ids.insert(ids.end(), buffer, buffer + num_buffered);
    num_buffered = 0;
  };
  for (const char* p = text.data(); p < end;) {
    const char* const word_end = pre_tokenizer::WordEnd<kind>(classes, p, end);
    const std::string_view word(p, static_cast<size_t>(word_end - p));
    p = word_end;
    if (word.size() > WordCache::kMaxWordBytes) {
      EncodeWord(word, scratch);
      flush();
      ids.insert(ids.end(), scratch.symbols.begin(), scratch.symbols.end());
      continue;
    }
    const auto key = WordCache::MakeKey(word, end);
    const int count = scratch.cache.Find(key, buffer + num_buffered);
    if (count >= 0) {
      num_buffered += static_cast<size_t>(count);
    } else {
      EncodeWord(word, scratch);
      scratch.cache.Insert(key, scratch.symbols);
      flush();
      ids.insert(ids.end(), scratch.symbols.begin(), scratch.symbols.end());
    }
    if (num_buffered >= kBufferedIds) flush();
  }
  flush();
}

void ByteLevelBpe::EncodeWord(std::string_view word, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  if (model_.ignore_merges) {
    const auto whole = vocabulary_.Find(ByteLevelSpelling(word));
    if (whole && !traits_[*whole].added) {
      symbols.push_back(*whole);
      return;
    }
  }
  bool after_unknown = false;
  for (const char c : word) {
    const TokenId id = byte_ids_[static_cast<uint8_t>(c)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (model_.special.unk && !(after_unknown && model_.fuse_unknown)) {
      symbols.push_back(*model_.special.unk);
    }
    after_unknown = id < 0;
  }
  scratch.merger.Merge(merges_, symbols);
}

std::string ByteLevelBpe::Decode(std::span<const TokenId> ids, const DecodeOptions& options) const {
  std::string text;
  for (const TokenId id : ids) {
    if (!vocabulary_.Has(id)) vocabulary_.Spelling(id);  // throws
    if (options.skip_special && traits_[id].special) continue;
    text.append(bytes_, byte_offsets_[id], byte_offsets_[id + 1] - byte_offsets_[id]);
  }
  return text;
}

}  // namespace

std::optional<std::string> BytesOfByteLevelSpelling(std::string_view spelling) {
  std::string bytes;
  const char* const end = spelling.data() + spelling.size();
  for (const char* p = spelling.data(); p < end;) {
    const ScannedChar c = ScanChar(p, end);
    if (!c.valid || c.value >= Alphabet().to_byte.size() || Alphabet().to_byte[c.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(Alphabet().to_byte[c.value]));
    p += c.length;
  }
  return bytes;
}

std::string ByteLevelSpelling(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes) AppendCodePoint(Alphabet().to_char[static_cast<uint8_t>(byte)], spelling);
  return spelling;
}

std::unique_ptr<Tokenizer> MakeByteLevelBpe(ByteLevelBpeModel model, const std::string& source) {
  return std::make_unique<ByteLevelBpe>(std::move(model), source);
}

}  // namespace retro
