// UTF-8 as the Unicode standard defines it (no overlong forms, no surrogates, at most U+10FFFF).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace retro {

struct CodePoint {
  char32_t value = 0;  // U+FFFD where the bytes are not valid
  uint8_t length = 0;  // bytes it took: for invalid input the maximal ill-formed part, at least 1
  bool valid = false;
};

// REQUIRES: !text.empty()
CodePoint DecodeCodePoint(std::string_view text);

void AppendCodePoint(char32_t value, std::string& out);

bool IsValidUtf8(std::string_view text);

// Each maximal ill-formed part becomes one U+FFFD (the practice of the Unicode standard, chapter 3.9).
std::string ReplaceInvalidUtf8(std::string_view text);

// The length of the longest prefix that does not end inside a character. Bytes that can never become a character count
// as whole, so at most 3 bytes are held back.
size_t CompleteUtf8Prefix(std::string_view text);

}  // namespace retro
