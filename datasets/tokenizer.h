// Text to token ids and back: one interface over byte-level BPE, WordPiece and sentencepiece.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace retro {

struct EncodeOptions {
  // Recognize the text of special tokens ("<|im_start|>"). Off, such text is ordinary text: the rule for user data.
  bool parse_special = false;
  // Add what the tokenizer's own template adds ([CLS] … [SEP], <s> …).
  bool add_special = false;
};

struct DecodeOptions {
  bool skip_special = false;
};

// Special tokens of a vocabulary; absent where it has none.
struct SpecialTokens {
  std::optional<TokenId> bos, eos, pad, unk, cls, sep, mask;
};

// Immutable after construction: const methods are safe from many threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text` to `ids`. Invalid UTF-8 is taken as bytes where the vocabulary has bytes (byte-level
  // BPE), and as U+FFFD elsewhere. Time is linear in the text for any input, up to a logarithm.
  virtual void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const = 0;

  // The text of the tokens. Cut inside a character it is not valid UTF-8: callers that print use CompleteUtf8Prefix.
  // Throws Error(kInvalidArgument) on an id outside the vocabulary.
  virtual std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const = 0;

  virtual size_t vocab_size() const = 0;  // ids are below it
  virtual const SpecialTokens& special() const = 0;
  virtual bool IsSpecial(TokenId id) const = 0;
  virtual std::optional<TokenId> Find(std::string_view token) const = 0;  // by the vocabulary's own spelling
  virtual std::string_view Spelling(TokenId id) const = 0;                // the vocabulary's own spelling
  // "bpe", "wordpiece", "sentencepiece"
  virtual std::string_view kind() const = 0;
  // Changes whenever ids could: a hash over vocabulary, merges and settings.
  virtual const std::string& fingerprint() const = 0;

  std::vector<TokenId> Encode(std::string_view text, const EncodeOptions& options = {}) const {
    std::vector<TokenId> ids;
    Encode(text, options, ids);
    return ids;
  }
  std::string Decode(std::span<const TokenId> ids) const { return Decode(ids, DecodeOptions{}); }
};

// From a tokenizer.json (Hugging Face; BPE and WordPiece), a vocab.txt (BERT), a .model (sentencepiece), or a folder
// that holds one of them. GGUF files: model/load_tokenizer.h. Throws Error(kNotFound, kCorruption, kInvalidArgument),
// naming the file and the part of it that is not supported.
std::unique_ptr<Tokenizer> LoadTokenizerFile(const std::filesystem::path& path);

}  // namespace retro
