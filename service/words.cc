#include "service/words.h"

#include <algorithm>
#include <iterator>

#include "core/utf8.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

const std::set<std::string>& LightWords() {
  static const std::set<std::string> words = {
      "a",    "an",    "and", "are",   "as",   "at",    "be",    "been", "but",   "by",  "can",  "could", "did",
      "do",   "does",  "for", "from",  "had",  "has",   "have",  "he",   "her",   "his", "i",    "in",    "is",
      "it",   "its",   "may", "more",  "not",  "of",    "on",    "or",   "s",     "she", "so",   "some",  "such",
      "than", "that",  "the", "their", "them", "there", "these", "they", "this",  "to",  "was",  "were",  "what",
      "when", "which", "who", "will",  "with", "would", "also",  "into", "about", "you", "your", "we",    "our"};
  return words;
}

std::set<std::string> Without(const std::set<std::string>& words, const std::set<std::string>& others) {
  std::set<std::string> left;
  std::ranges::set_difference(words, others, std::inserter(left, left.end()));
  return left;
}

}  // namespace

std::set<std::string> Words(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.insert(word);
    word.clear();
  };
  while (!text.empty()) {
    const CodePoint c = DecodeCodePoint(text);
    text.remove_prefix(c.length);
    if (c.valid && IsWordCharacter(c.value)) {
      AppendCodePoint(LowerCase(c.value), word);
    } else {
      end_word();
    }
  }
  end_word();
  return words;
}

std::set<std::string> NewWords(std::string_view text, std::string_view question) {
  const std::set<std::string> all = Words(text);
  const std::set<std::string> telling = Without(all, LightWords());
  const std::set<std::string> beyond = Without(telling, Words(question));
  return !beyond.empty() ? beyond : !telling.empty() ? telling : all;
}

float ShareOf(const std::set<std::string>& wanted, const std::set<std::string>& words) {
  if (wanted.empty()) return 0;
  const auto held = std::ranges::count_if(wanted, [&](const std::string& word) { return words.contains(word); });
  return static_cast<float>(held) / static_cast<float>(wanted.size());
}

}  // namespace retro
