#include "core/utf8.h"

#include <algorithm>
#include <cstring>

namespace retro {

namespace {

constexpr char32_t kReplacement = 0xFFFD;

// What a first byte asks for: the length of the character and the range of its second byte. The Unicode standard,
// table 3-7; the narrowed ranges leave out overlong forms, surrogates and what lies above U+10FFFF.
struct Lead {
  uint8_t length, second_min, second_max;
};

constexpr Lead LeadOf(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

uint8_t ByteAt(std::string_view text, size_t position) { return static_cast<uint8_t>(text[position]); }

// How many bytes at the beginning of `text` fit the first byte's character: all of them when it is whole.
size_t FittingBytes(std::string_view text, const Lead& lead) {
  const size_t available = std::min<size_t>(lead.length, text.size());
  size_t fitting = 1;
  while (fitting < available) {
    const uint8_t byte = ByteAt(text, fitting);
    const uint8_t low = fitting == 1 ? lead.second_min : 0x80;
    const uint8_t high = fitting == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) break;
    ++fitting;
  }
  return fitting;
}

// The length of the ASCII at the beginning of `text`, to the nearest multiple of eight bytes below.
size_t AsciiRun(std::string_view text) {
  size_t length = 0;
  for (; length + 8 <= text.size(); length += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + length, sizeof word);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  return length;
}

// The length of the longest valid prefix.
size_t ValidPrefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    position += AsciiRun(text.substr(position));
    if (position == text.size()) break;
    const CodePoint point = DecodeCodePoint(text.substr(position));
    if (!point.valid) break;
    position += point.length;
  }
  return position;
}

}  // namespace

CodePoint DecodeCodePoint(std::string_view text) {
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return {first, 1, true};
  const Lead lead = LeadOf(first);
  if (lead.length == 0) return {kReplacement, 1, false};
  const size_t fitting = FittingBytes(text, lead);
  if (fitting < lead.length) return {kReplacement, static_cast<uint8_t>(fitting), false};
  char32_t value = first & (0x7F >> lead.length);
  for (size_t i = 1; i < fitting; ++i) value = value << 6 | (ByteAt(text, i) & 0x3F);
  return {value, lead.length, true};
}

void AppendCodePoint(char32_t value, std::string& out) {
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) value = kReplacement;
  const auto continuation = [&](int shift) { out += static_cast<char>(0x80 | (value >> shift & 0x3F)); };
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else if (value < 0x800) {
    out += static_cast<char>(0xC0 | value >> 6);
    continuation(0);
  } else if (value < 0x10000) {
    out += static_cast<char>(0xE0 | value >> 12);
    continuation(6);
    continuation(0);
  } else {
    out += static_cast<char>(0xF0 | value >> 18);
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

bool IsValidUtf8(std::string_view text) { return ValidPrefix(text) == text.size(); }

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t valid = ValidPrefix(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) break;
    AppendCodePoint(kReplacement, out);
    text.remove_prefix(DecodeCodePoint(text).length);
  }
  return out;
}

size_t CompleteUtf8Prefix(std::string_view text) {
  for (size_t held = 1; held <= std::min<size_t>(3, text.size()); ++held) {
    const std::string_view tail = text.substr(text.size() - held);
    const Lead lead = LeadOf(ByteAt(tail, 0));
    if (lead.length > held && FittingBytes(tail, lead) == held) return text.size() - held;
    if (lead.length != 0) break;
  }
  return text.size();
}

}  // namespace retro
