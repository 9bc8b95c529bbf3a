#include "evaluation/qa_metrics.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/utf8.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

bool IsAsciiPunctuation(char32_t c) {
  return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
}

// What Python's str.split() splits at.
bool IsSpace(char32_t c) {
  return c < kNumCodePoints && ((CharClassTable()[c] & kWhiteSpace) != 0 || (c >= 0x1C && c <= 0x1F));
}

// \w of Python, which unlike CharClass' has no marks that combine.
bool IsWordSign(char32_t c) { return c == '_' || (CharClassTable()[c] & (kLetter | kNumber)) != 0; }

bool IsArticle(std::u32string_view word) { return word == U"a" || word == U"an" || word == U"the"; }

std::u32string CodePoints(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const CodePoint c = DecodeCodePoint(text);
    out += c.value;
    text.remove_prefix(c.length);
  }
  return out;
}

std::u32string LowerWithoutPunctuation(std::string_view text) {
  std::u32string out;
  for (const char32_t c : CodePoints(text)) {
    if (c == U'\u0130') {
      out += U"i\u0307";  // the one letter whose lower case is two code points
    } else if (!IsAsciiPunctuation(c)) {
      out += LowerCase(c);
    }
  }
  return out;
}

std::vector<std::string> SplitAtSpaces(const std::u32string& text) {
  std::vector<std::string> words;
  bool in_word = false;
  for (const char32_t c : text) {
    if (IsSpace(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    AppendCodePoint(c, words.back());
  }
  return words;
}

std::vector<std::string> NormalizedWords(std::string_view text) {
  const std::u32string lower = LowerWithoutPunctuation(text);
  std::u32string kept;
  for (size_t i = 0; i < lower.size();) {
    size_t end = i;
    while (end < lower.size() && IsWordSign(lower[end])) ++end;
    if (end == i) {
      kept += lower[i++];
      continue;
    }
    const auto word = std::u32string_view(lower).substr(i, end - i);
    kept += IsArticle(word) ? U" " : word;
    i = end;
  }
  return SplitAtSpaces(kept);
}

double F1(std::vector<std::string> prediction, std::vector<std::string> answer) {
  if (prediction.empty() || answer.empty()) return prediction.empty() == answer.empty() ? 1 : 0;
  std::sort(prediction.begin(), prediction.end());
  std::sort(answer.begin(), answer.end());
  std::vector<std::string> common;
  std::ranges::set_intersection(prediction, answer, std::back_inserter(common));
  return 2.0 * common.size() / (prediction.size() + answer.size());
}

// DPR's SimpleTokenizer: runs of letters, numbers and marks, and every other sign that is seen, alone.
std::vector<std::u32string> SimpleTokens(std::string_view text) {
  std::u32string decomposed;
  CanonicalDecomposer decomposer(decomposed);
  for (const char32_t c : CodePoints(text)) decomposer.Add(c);
  decomposer.Finish();
  std::vector<std::u32string> tokens;
  bool in_word = false;
  for (const char32_t c : decomposed) {
    const bool word = IsWordSign(c) ? c != '_' : IsWordCharacter(c);  // \w knows the marks that combine
    if (word && in_word) {
      tokens.back() += LowerCase(c);
    } else if (word || !(IsSpace(c) || (CharClassTable()[c] & kControl) != 0)) {
      tokens.emplace_back(1, LowerCase(c));
    }
    in_word = word;
  }
  return tokens;
}

}  // namespace

std::string NormalizeAnswer(std::string_view text) {
  std::string out;
  for (const std::string& word : NormalizedWords(text)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

bool ExactMatch(std::string_view prediction, std::span<const std::string> answers) {
  const std::string normalized = NormalizeAnswer(prediction);
  return std::ranges::any_of(answers, [&](const std::string& answer) { return NormalizeAnswer(answer) == normalized; });
}

double TokenF1(std::string_view prediction, std::span<const std::string> answers) {
  const std::vector<std::string> words = NormalizedWords(prediction);
  double best = 0;
  for (const std::string& answer : answers) best = std::max(best, F1(words, NormalizedWords(answer)));
  return best;
}

bool HasAnswer(std::string_view passage, std::span<const std::string> answers) {
  const auto tokens = SimpleTokens(passage);
  return std::ranges::any_of(answers, [&](const std::string& answer) {
    const auto wanted = SimpleTokens(answer);
    return !wanted.empty() && !std::ranges::search(tokens, wanted).empty();
  });
}

}  // namespace retro
