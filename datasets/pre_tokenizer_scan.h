// The scanners behind NextWordEnd, inline for the inner loop of byte-level BPE. Each returns the end of the word that
// begins at `p`. REQUIRES: p < end; `classes` is CharClassTable().
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "datasets/pre_tokenizer.h"
#include "datasets/unicode_class.h"

namespace retro::pre_tokenizer {

inline constexpr uint8_t kNotSymbol = kWhiteSpace | kLetter | kNumber;

// The highest bit of every byte that is not an ASCII letter.
inline uint64_t NonLetterBytes(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low = (bytes | 0x20 * kOnes) & 0x7F * kOnes;
  const uint64_t from_a = low + (0x80 - 'a') * kOnes;
  const uint64_t after_z = low + (0x7F - 'z') * kOnes;
  return (~(from_a & ~after_z) | bytes) & 0x80 * kOnes;
}

// Skips characters of class `wanted`.
template <uint8_t wanted>
inline const char* SkipClass(const uint8_t* classes, const char* p, const char* end) {
  while (p < end) {
    const ScannedChar c = ScanChar(p, end);
    if (!(ClassOf(classes, c) & wanted)) break;
    p += c.length;
  }
  return p;
}

inline const char* SkipLetters(const uint8_t* classes, const char* p, const char* end) {
  while (true) {
    if constexpr (std::endian::native == std::endian::little) {
      while (end - p >= 8) {
        uint64_t bytes;
        std::memcpy(&bytes, p, 8);
        const uint64_t stops = NonLetterBytes(bytes);
        if (stops != 0) {
          p += std::countr_zero(stops) / 8;
          break;
        }
        p += 8;
      }
    }
    if (p == end) return p;
    const ScannedChar c = ScanChar(p, end);
    if (!(ClassOf(classes, c) & kLetter)) return p;
    p += c.length;
  }
}

// [^\s\p{L}\p{N}]*, and no further than a digit.
template <bool split_digits>
inline const char* SkipSymbols(const uint8_t* classes, const char* p, const char* end) {
  constexpr uint8_t kStops = kNotSymbol | (split_digits ? kDigit : 0);
  while (p < end) {
    const ScannedChar c = ScanChar(p, end);
    if (ClassOf(classes, c) & kStops) break;
    p += c.length;
  }
  return p;
}

// The end of "'s", "'t", "'re", "'ve", "'m", "'ll" or "'d" at `p`, or null. REQUIRES: *p == '\''
template <bool ignore_case>
inline const char* ContractionEnd(const char* p, const char* end) {
  if (end - p < 2) return nullptr;
  const auto lower = [&](int i) { return ignore_case && p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]; };
  const int first = lower(1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return p + 2;
  if (end - p < 3) return nullptr;
  const int second = lower(2);
  if (second == 'e' && (first == 'r' || first == 'v')) return p + 3;
  if (first == 'l' && second == 'l') return p + 3;
  // The long s is an s when case does not count.
  if (ignore_case && p[1] == '\xC5' && p[2] == '\xBF') return p + 3;
  return nullptr;
}

// \s+(?!\S)|\s+ : all white space at the end of the text, otherwise all but its last character (which may belong to the
// next word), but at least one. `p` stands on white space of `first_length` bytes.
template <bool split_digits>
inline const char* WhiteSpaceEnd(const uint8_t* classes, const char* p, uint32_t first_length, const char* end) {
  const char* last = p;
  const char* q = p + first_length;
  while (q < end) {
    const ScannedChar c = ScanChar(q, end);
    const uint8_t char_class = ClassOf(classes, c);
    if (!(char_class & kWhiteSpace)) {
      if (split_digits && (char_class & kDigit)) return q;
      return last == p ? q : last;
    }
    last = q;
    q += c.length;
  }
  return q;
}

template <bool split_digits>
inline const char* Gpt2WordEnd(const uint8_t* classes, const char* p, const char* end) {
  const ScannedChar first = ScanChar(p, end);
  uint8_t char_class = ClassOf(classes, first);
  const char* q = p;
  if (first.value == ' ' && end - p > 1) {
    const uint8_t next = ClassOf(classes, ScanChar(p + 1, end));
    if (!(next & kWhiteSpace) && !(split_digits && (next & kDigit))) {
      char_class = next;
      q = p + 1;
    }
  } else if (*p == '\'') {
    if (const char* stop = ContractionEnd<false>(p, end)) return stop;
  }
  if (split_digits && (char_class & kDigit)) return p + first.length;
  if (char_class & kLetter) return SkipLetters(classes, q, end);
  if (char_class & kNumber) return SkipClass<kNumber>(classes, q, end);
  if (char_class & kWhiteSpace) return WhiteSpaceEnd<split_digits>(classes, p, first.length, end);
  return SkipSymbols<split_digits>(classes, q, end);
}

inline const char* SkipLineEnds(const char* p, const char* end) {
  while (p < end && (*p == '\r' || *p == '\n')) ++p;
  return p;
}

// \s*[\r\n]+|\s+(?!\S)|\s+
inline const char* LineOrSpaceEnd(const uint8_t* classes, const char* p, uint32_t first_length, const char* end) {
  const char* after_line_end = nullptr;
  const char* q = p;
  while (q < end) {
    const ScannedChar c = ScanChar(q, end);
    if (!(ClassOf(classes, c) & kWhiteSpace)) break;
    q += c.length;
    if (c.value == '\r' || c.value == '\n') after_line_end = q;
  }
  return after_line_end != nullptr ? after_line_end : WhiteSpaceEnd<false>(classes, p, first_length, end);
}

template <int max_digits>
inline const char* Llama3WordEnd(const uint8_t* classes, const char* p, const char* end) {
  const ScannedChar first = ScanChar(p, end);
  const uint8_t char_class = ClassOf(classes, first);
  if (char_class & kLetter) return SkipLetters(classes, p, end);
  const char* const second = p + first.length;
  if (char_class & kNumber) {
    const char* q = second;
    for (int i = 1; i < max_digits && q < end; ++i) {
      const ScannedChar c = ScanChar(q, end);
      if (!(ClassOf(classes, c) & kNumber)) break;
      q += c.length;
    }
    return q;
  }
  if (*p == '\'') {
    if (const char* stop = ContractionEnd<true>(p, end)) return stop;
  }
  const uint8_t next = second < end ? ClassOf(classes, ScanChar(second, end)) : uint8_t{kWhiteSpace};
  if ((next & kLetter) && *p != '\r' && *p != '\n') return SkipLetters(classes, second, end);
  if (!(char_class & kWhiteSpace)) return SkipLineEnds(SkipSymbols<false>(classes, second, end), end);
  if (*p == ' ' && !(next & kNotSymbol)) return SkipLineEnds(SkipSymbols<false>(classes, second, end), end);
  return LineOrSpaceEnd(classes, p, first.length, end);
}

template <PreTokenizerKind kind>
inline const char* WordEnd(const uint8_t* classes, const char* p, const char* end) {
  if constexpr (kind == PreTokenizerKind::kGpt2) return Gpt2WordEnd<false>(classes, p, end);
  if constexpr (kind == PreTokenizerKind::kSmolLm) return Gpt2WordEnd<true>(classes, p, end);
  if constexpr (kind == PreTokenizerKind::kLlama3) return Llama3WordEnd<3>(classes, p, end);
  if constexpr (kind == PreTokenizerKind::kQwen2) return Llama3WordEnd<1>(classes, p, end);
  return end;
}

}  // namespace retro::pre_tokenizer
