#include "retriever/lexical_terms.h"

#include <algorithm>
#include <array>

#include "core/hash.h"
#include "datasets/unicode_class.h"
#include "datasets/wordpiece_normalizer.h"

namespace retro {
namespace {

// Those that Lucene leaves out of English text, and the "s" of "it's". Sorted.
constexpr std::array<std::string_view, 34> kStopWords = {
    "a",     "an",   "and",   "are",   "as",   "at",   "be", "but", "by",   "for",  "if",   "in",
    "into",  "is",   "it",    "no",    "not",  "of",   "on", "or",  "s",    "such", "that", "the",
    "their", "then", "there", "these", "they", "this", "to", "was", "will", "with"};
static_assert(std::ranges::is_sorted(kStopWords));

bool EndsAfter(std::string_view word, std::string_view ending, std::string_view excluded) {
  return word.ends_with(ending) && excluded.find(word[word.size() - ending.size() - 1]) == std::string_view::npos;
}

void AddTerm(std::string& word, std::vector<LexicalTerm>& terms) {
  if (!std::ranges::binary_search(kStopWords, std::string_view(word))) {
    StemPlural(word);
    terms.push_back(HashBytes(word));
  }
  word.clear();
}

}  // namespace

void StemPlural(std::string& word) {
  if (word.size() < 4 || word.back() != 's') return;
  if (word.ends_with("ies")) {
    if (EndsAfter(word, "ies", "ea")) word.replace(word.size() - 3, 3, "y");
  } else if (word.ends_with("es")) {
    if (EndsAfter(word, "es", "aeo")) word.pop_back();
  } else if (EndsAfter(word, "s", "us")) {
    word.pop_back();
  }
}

std::vector<LexicalTerm> LexicalTerms(std::string_view text) {
  std::string normal;
  NormalizeForBert(text, {}, normal);
  std::vector<LexicalTerm> terms;
  std::string word;
  const char* end = normal.data() + normal.size();
  for (const char* p = normal.data(); p < end;) {
    const ScannedChar c = ScanChar(p, end);
    if (c.valid && IsWordCharacter(c.value)) {
      word.append(p, c.length);
    } else if (!word.empty()) {
      AddTerm(word, terms);
    }
    p += c.length;
  }
  if (!word.empty()) AddTerm(word, terms);
  return terms;
}

}  // namespace retro
