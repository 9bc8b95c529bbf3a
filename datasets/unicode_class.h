// What a character is to a tokenizer, from one table over all code points. Safe from many threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace retro {

// Bits of a class. Several may be set (a digit is mostly a number too).
enum CharClass : uint8_t {
  kLetter = 1,
  kNumber = 2,
  kWhiteSpace = 4,
  kDigit = 8,         // split off by a "Digits" pre-tokenizer
  kPunctuation = 16,  // split off by BERT
  kControl = 32,      // removed by BERT
  kAccent = 64,       // stripped by BERT
  kCjk = 128,         // a word of its own to BERT
};

inline constexpr uint32_t kNumCodePoints = 0x110000;

// kNumCodePoints classes. Made on the first call.
const uint8_t* CharClassTable();

// \w of regular expressions.
bool IsWordCharacter(char32_t value);

// The lower case where it is one code point (all but U+0130, which stays itself).
char32_t LowerCase(char32_t value);

// Receives code points and appends their canonical decomposition (NFD) to `out`, which it does not own.
class CanonicalDecomposer {
 public:
  explicit CanonicalDecomposer(std::u32string& out) : out_(out) {}
  void Add(char32_t value);
  void Finish();  // to be called after the last Add

 private:
  struct Mark {
    char32_t value;
    int combining_class;
  };
  void AddDecomposed(char32_t value);

  std::u32string& out_;
  std::vector<Mark> marks_;  // since the last starter: to be sorted
};

// NFC. Bytes that are not valid UTF-8 stay as they are.
std::string ComposeCanonically(std::string_view text);

// One character of a text; 1 byte with valid == false where the bytes are not UTF-8.
struct ScannedChar {
  char32_t value = 0;
  uint32_t length = 1;
  bool valid = false;
};

// Inline since scanners live by it. REQUIRES: p < end
inline ScannedChar ScanChar(const char* p, const char* end) {
  const auto byte = [p](int i) { return static_cast<uint8_t>(p[i]); };
  const auto continues = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  if (first < 0xE0) {
    if (first < 0xC2 || end - p < 2 || !continues(1)) return {};
    return {(first & 0x1F) << 6 | (byte(1) & 0x3Fu), 2, true};
  }
  if (first < 0xF0) {
    if (end - p < 3 || !continues(1) || !continues(2)) return {};
    const char32_t value = (first & 0x0F) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    return value < 0x800 || (value >= 0xD800 && value < 0xE000) ? ScannedChar{} : ScannedChar{value, 3, true};
  }
  if (first > 0xF4 || end - p < 4 || !continues(1) || !continues(2) || !continues(3)) return {};
  const char32_t value = (first & 0x07) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
  return value < 0x10000 || value >= kNumCodePoints ? ScannedChar{} : ScannedChar{value, 4, true};
}

inline uint8_t ClassOf(const uint8_t* table, const ScannedChar& c) { return c.valid ? table[c.value] : 0; }

}  // namespace retro
