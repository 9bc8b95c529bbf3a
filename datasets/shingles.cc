#include "datasets/shingles.h"

#include <algorithm>
#include <string>

#include "core/hash.h"
#include "core/utf8.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

// Odd, so that no word is lost from a rolling hash; 2^64 divided by the golden ratio.
constexpr uint64_t kBase = 0x9E3779B97F4A7C15;

// The finalizer of MurmurHash3: a bijection in which every bit of the input changes every bit of the result.
uint64_t Mix(uint64_t value) {
  value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD;
  value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53;
  return value ^ value >> 33;
}

// A hash of each word.
class WordScanner {
 public:
  explicit WordScanner(std::vector<uint64_t>& words) : words_(words) {}

  void Scan(std::string_view text) {
    const char *p = text.data(), *const end = p + text.size();
    while (p < end) {
      if (static_cast<uint8_t>(*p) < 0x80) {
        AddAscii(*p++);
      } else {
        p += AddScanned(p, end);
      }
    }
    EndWord();
  }

 private:
  void AddAscii(char c) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) return EndWord();
    word_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }

  size_t AddScanned(const char* p, const char* end) {
    const ScannedChar c = ScanChar(p, end);
    const uint8_t char_class = ClassOf(classes_, c);
    const bool is_ideograph = (char_class & kCjk) != 0;
    if (is_ideograph || (char_class & kWhiteSpace) != 0) EndWord();
    if ((char_class & kWhiteSpace) != 0) return c.length;
    if (c.valid) {
      AppendCodePoint(LowerCase(c.value), word_);
    } else {
      word_.append(p, c.length);
    }
    if (is_ideograph) EndWord();
    return c.length;
  }

  void EndWord() {
    if (word_.empty()) return;
    words_.push_back(HashBytes(word_));
    word_.clear();
  }

  const uint8_t* classes_ = CharClassTable();
  std::vector<uint64_t>& words_;
  std::string word_;
};

}  // namespace

void AppendShingles(std::string_view text, size_t ngram, std::vector<uint64_t>& shingles) {
  std::vector<uint64_t> words;
  words.reserve(text.size() / 5);
  WordScanner(words).Scan(text);
  uint64_t hash = 0, leaving = 1;  // kBase^ngram: the factor of the word that leaves a run of ngram words
  for (size_t i = 0; i < ngram; ++i) leaving *= kBase;
  for (size_t i = 0; i < words.size(); ++i) {
    hash = hash * kBase + words[i];
    if (i >= ngram) hash -= leaving * words[i - ngram];
    if (i + 1 >= ngram) shingles.push_back(Mix(hash));
  }
  if (words.size() < ngram) shingles.push_back(Mix(hash));
}

double JaccardSimilarity(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  size_t common = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    common += a[i] == b[j] ? 1 : 0;
    const bool first = a[i] <= b[j], second = b[j] <= a[i];
    i += first ? 1 : 0;
    j += second ? 1 : 0;
  }
  const size_t all = a.size() + b.size() - common;
  return all == 0 ? 1 : static_cast<double>(common) / static_cast<double>(all);
}

}  // namespace retro
