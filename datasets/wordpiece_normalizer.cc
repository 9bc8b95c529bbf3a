#include "datasets/wordpiece_normalizer.h"

#include <cstdint>
#include <cstring>

#include "core/utf8.h"
#include "datasets/unicode_class.h"

namespace retro {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x80 * kOnes;

// Whether all 8 bytes are printable ASCII, which BERT keeps as it is but for the case.
bool ArePrintableAscii(uint64_t bytes) {
  const uint64_t delete_bytes = bytes ^ 0x7F * kOnes;
  return ((bytes | (bytes - 0x20 * kOnes) | (delete_bytes - kOnes)) & kHighBits) == 0;
}

// REQUIRES: ArePrintableAscii(bytes)
uint64_t LowerCaseAscii(uint64_t bytes) {
  const uint64_t from_a = bytes + (0x80 - 'A') * kOnes;
  const uint64_t after_z = bytes + (0x7F - 'Z') * kOnes;
  return bytes | (from_a & ~after_z & kHighBits) >> 2;
}

class BertNormalizer {
 public:
  BertNormalizer(const BertNormalization& options, std::string& out) : options_(options), out_(out) {}

  // Returns the end of the ASCII at `p`.
  const char* AddAscii(const char* p, const char* end) {
    while (end - p >= 8) {
      uint64_t bytes;
      std::memcpy(&bytes, p, 8);
      if (!ArePrintableAscii(bytes)) break;
      if (options_.lowercase) bytes = LowerCaseAscii(bytes);
      out_.append(reinterpret_cast<const char*>(&bytes), 8);
      p += 8;
    }
    // Up to 8 characters one by one, then in blocks again.
    for (const char* const stop = end - p > 8 ? p + 8 : end; p < stop && (*p & 0x80) == 0; ++p) AddAsciiChar(*p);
    return p;
  }

  // Returns the end of the run of characters beyond ASCII at `p`.
  const char* AddOthers(const char* p, const char* end) {
    decomposed_.clear();
    CanonicalDecomposer decomposer(decomposed_);
    while (p < end && (*p & 0x80) != 0) {
      const CodePoint c = DecodeCodePoint({p, static_cast<size_t>(end - p < 4 ? end - p : 4)});
      p += c.length;
      AddCleaned(c.value, decomposer);
    }
    decomposer.Finish();
    for (const char32_t c : decomposed_) AddStripped(c);
    return p;
  }

 private:
  void AddAsciiChar(char c) {
    const uint8_t char_class = classes_[static_cast<uint8_t>(c)];
    if (options_.clean_text) {
      if (char_class & kControl) return;
      if (char_class & kWhiteSpace) c = ' ';
    }
    if (options_.lowercase && c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    out_.push_back(c);
  }

  void AddCleaned(char32_t c, CanonicalDecomposer& decomposer) {
    const uint8_t char_class = classes_[c];
    if (options_.clean_text) {
      if (char_class & kControl) return;
      if (char_class & kWhiteSpace) c = ' ';
    }
    const bool spaced = options_.handle_chinese_chars && (char_class & kCjk);
    if (!options_.strip_accents) {
      if (spaced) decomposed_.push_back(' ');
      decomposed_.push_back(c);
      if (spaced) decomposed_.push_back(' ');
      return;
    }
    if (spaced) decomposer.Add(' ');
    decomposer.Add(c);
    if (spaced) decomposer.Add(' ');
  }

  void AddStripped(char32_t c) {
    if (options_.strip_accents && (classes_[c] & kAccent)) return;
    if (!options_.lowercase) return AppendCodePoint(c, out_);
    // The one capital whose lower case is two characters.
    if (c == 0x130) {
      out_ += "i\u0307";
      return;
    }
    AppendCodePoint(LowerCase(c), out_);
  }

  const BertNormalization& options_;
  std::string& out_;
  const uint8_t* const classes_ = CharClassTable();
  std::u32string decomposed_;
};

}  // namespace

void NormalizeForBert(std::string_view text, const BertNormalization& options, std::string& out) {
  out.reserve(out.size() + text.size() + 8);
  BertNormalizer normalizer(options, out);
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    p = (*p & 0x80) == 0 ? normalizer.AddAscii(p, end) : normalizer.AddOthers(p, end);
  }
}

}  // namespace retro
