#include "datasets/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "datasets/pre_tokenizer_scan.h"

namespace retro {
namespace {

using Kind = PreTokenizerKind;

// Names of the GGUF format whose patterns cut as ours do.
constexpr std::pair<std::string_view, Kind> kGgufNames[] = {
    {"gpt-2", Kind::kGpt2},
    {"gpt2", Kind::kGpt2},
    {"phi-2", Kind::kGpt2},
    {"olmo", Kind::kGpt2},
    {"mpt", Kind::kGpt2},
    {"jais", Kind::kGpt2},
    {"roberta-bpe", Kind::kGpt2},
    {"jina-v2-es", Kind::kGpt2},
    {"jina-v2-de", Kind::kGpt2},
    {"smollm", Kind::kSmolLm},
    {"starcoder", Kind::kSmolLm},
    {"refact", Kind::kSmolLm},
    {"command-r", Kind::kSmolLm},
    {"codeshell", Kind::kSmolLm},
    {"exaone", Kind::kSmolLm},
    {"llama-bpe", Kind::kLlama3},
    {"llama3", Kind::kLlama3},
    {"llama-v3", Kind::kLlama3},
    {"dbrx", Kind::kLlama3},
    {"smaug-bpe", Kind::kLlama3},
    {"falcon3", Kind::kLlama3},
    {"qwen2", Kind::kQwen2},
    {"deepseek-r1-qwen", Kind::kQwen2},
    {"stablelm2", Kind::kQwen2},
};

constexpr std::pair<std::string_view, Kind> kRegexes[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", Kind::kGpt2},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", Kind::kGpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Kind::kLlama3},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     Kind::kQwen2},
};

template <typename Table>
std::optional<Kind> Find(const Table& table, std::string_view key) {
  const auto* entry = std::find_if(std::begin(table), std::end(table), [&](const auto& e) { return e.first == key; });
  if (entry == std::end(table)) return std::nullopt;
  return entry->second;
}

}  // namespace

std::optional<PreTokenizerKind> PreTokenizerByGgufName(std::string_view name) { return Find(kGgufNames, name); }

std::optional<PreTokenizerKind> PreTokenizerByRegex(std::string_view regex) { return Find(kRegexes, regex); }

std::string_view PreTokenizerRegex(PreTokenizerKind kind) {
  return std::ranges::find(kRegexes, kind, &std::pair<std::string_view, Kind>::second)->first;
}

size_t NextWordEnd(PreTokenizerKind kind, std::string_view text, size_t begin) {
  const uint8_t* const classes = CharClassTable();
  const char* const p = text.data() + begin;
  const char* const end = text.data() + text.size();
  const auto offset = [&](const char* word_end) { return static_cast<size_t>(word_end - text.data()); };
  switch (kind) {
    case Kind::kGpt2:
      return offset(pre_tokenizer::WordEnd<Kind::kGpt2>(classes, p, end));
    case Kind::kSmolLm:
      return offset(pre_tokenizer::WordEnd<Kind::kSmolLm>(classes, p, end));
    case Kind::kLlama3:
      return offset(pre_tokenizer::WordEnd<Kind::kLlama3>(classes, p, end));
    case Kind::kQwen2:
      return offset(pre_tokenizer::WordEnd<Kind::kQwen2>(classes, p, end));
    case Kind::kNone:
      break;
  }
  return text.size();
}

}  // namespace retro
