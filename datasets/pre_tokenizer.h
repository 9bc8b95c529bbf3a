// Text cut into the words within which byte-level BPE merges. Hand-written scanners that cut exactly where the
// published regular expressions do, over Unicode categories. Bytes that are not valid UTF-8 count as symbols, one by
// one.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace retro {

// Values are part of fingerprints: never renumber.
enum class PreTokenizerKind {
  kNone = 0,    // the text is one word
  kGpt2 = 1,    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kSmolLm = 2,  // every digit (\p{N}) a word of its own, then kGpt2 on what lies between
  // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kLlama3 = 3,
  kQwen2 = 4,  // as kLlama3, with \p{N} in place of \p{N}{1,3}
};

// The kind that a GGUF file means by "tokenizer.ggml.pre" ("gpt-2", "smollm", "llama-bpe", "qwen2", ...), absent when
// it is none of ours.
std::optional<PreTokenizerKind> PreTokenizerByGgufName(std::string_view name);

// The kind whose pattern is `regex`, letter for letter, absent when it is none of ours.
std::optional<PreTokenizerKind> PreTokenizerByRegex(std::string_view regex);

// The regular expression of a kind. REQUIRES: kGpt2, kLlama3 or kQwen2
std::string_view PreTokenizerRegex(PreTokenizerKind kind);

// The end of the word that begins at `begin`. Words follow one another without gaps.
// REQUIRES: begin < text.size() and `begin` is 0 or an end that was returned for the same text.
size_t NextWordEnd(PreTokenizerKind kind, std::string_view text, size_t begin);

}  // namespace retro
