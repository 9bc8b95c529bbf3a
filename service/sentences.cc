#include "service/sentences.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/utf8.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

// Before a capital letter these end no sentence.
constexpr std::array kTitles = {"mr",   "mrs", "ms",  "dr",  "prof", "st",  "gen", "col", "lt",  "sgt",
                                "capt", "rev", "hon", "gov", "sen",  "rep", "vs",  "cf",  "e.g", "i.e"};
// Before a figure these do not either.
constexpr std::array kBeforeFigures = {"no",  "nos", "fig", "figs",   "p",    "pp",  "vol", "ch",
                                       "sec", "ca",  "c",   "approx", "jan",  "feb", "mar", "apr",
                                       "jun", "jul", "aug", "sep",    "sept", "oct", "nov", "dec"};

bool IsSpace(char32_t c) { return (CharClassTable()[c] & kWhiteSpace) != 0; }
bool IsLetter(char32_t c) { return (CharClassTable()[c] & kLetter) != 0; }
bool IsDigit(char32_t c) { return (CharClassTable()[c] & kNumber) != 0; }

bool IsLowerCase(char32_t c) {
  const bool cased_script = c < 0x250 || (c >= 0x370 && c < 0x530);  // Latin, Greek, Cyrillic
  return cased_script && IsLetter(c) && LowerCase(c) == c;
}

bool EndsWithoutSpace(char32_t c) { return c == U'。' || c == U'！' || c == U'？' || c == U'।' || c == U'｡'; }
bool EndsBeforeSpace(char32_t c) { return c == U'.' || c == U'!' || c == U'?' || c == U'…'; }
bool IsCloser(char32_t c) { return std::u32string_view(U"\"')]}”’»」』）").find(c) != std::u32string_view::npos; }

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<std::string_view> Split() {
    while (at_ < text_.size()) {
      const CodePoint c = Take();
      if (c.value == U'\n' && BlankLineFollows()) {
        End(at_);
      } else if (EndsWithoutSpace(c.value)) {
        TakeClosers();
        End(at_);
      } else if (EndsBeforeSpace(c.value)) {
        const size_t terminator = at_ - c.length;
        TakeClosers();
        if (EndsHere(c.value, terminator)) End(at_);
      }
    }
    End(text_.size());
    return std::move(sentences_);
  }

 private:
  CodePoint Peek(size_t at) const { return at < text_.size() ? DecodeCodePoint(text_.substr(at)) : CodePoint{}; }

  CodePoint Take() {
    const CodePoint c = Peek(at_);
    at_ += c.length;
    return c;
  }

  void TakeClosers() {
    for (CodePoint c = Peek(at_); c.length > 0 && (IsCloser(c.value) || EndsBeforeSpace(c.value)); c = Peek(at_)) {
      at_ += c.length;
    }
  }

  bool BlankLineFollows() const {
    const size_t next = text_.find_first_not_of(" \t\r", at_);
    return next != std::string_view::npos && text_[next] == '\n';
  }

  bool EndsHere(char32_t terminator, size_t place) const {
    size_t next = at_;
    while (next < text_.size() && IsSpace(Peek(next).value)) next += Peek(next).length;
    if (next == text_.size()) return true;
    if (next == at_) return false;
    const char32_t first = Peek(next).value;
    return !IsLowerCase(first) && !(terminator == U'.' && IsAbbreviation(place, first));
  }

  // The word before the full stop at `place` is an initial, or shortened, when `next` follows.
  bool IsAbbreviation(size_t place, char32_t next) const {
    std::string word;
    size_t begin = place;
    while (begin > 0 && (std::isalnum(static_cast<unsigned char>(text_[begin - 1])) || text_[begin - 1] == '.'))
      --begin;
    for (const char c : text_.substr(begin, place - begin)) word += static_cast<char>(std::tolower(c));
    const bool initial =
        !word.empty() && std::isalpha(word.back()) && (word.size() == 1 || word[word.size() - 2] == '.');
    return (initial && !IsDigit(next)) || std::ranges::find(kTitles, word) != kTitles.end() ||
           (IsDigit(next) && std::ranges::find(kBeforeFigures, word) != kBeforeFigures.end());
  }

  void End(size_t end) {
    constexpr std::string_view kSpaces = " \t\r\n\f\v";
    std::string_view sentence = text_.substr(begin_, end - begin_);
    begin_ = end;
    const size_t first = sentence.find_first_not_of(kSpaces);
    if (first == std::string_view::npos) return;
    sentences_.push_back(sentence.substr(first, sentence.find_last_not_of(kSpaces) - first + 1));
  }

  std::string_view text_;
  size_t at_ = 0, begin_ = 0;
  std::vector<std::string_view> sentences_;
};

}  // namespace

std::vector<std::string_view> SplitSentences(std::string_view text) { return Splitter(text).Split(); }

}  // namespace retro
