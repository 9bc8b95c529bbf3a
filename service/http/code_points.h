// Offsets as clients count them: in Unicode code points.
#pragma once

#include <cstdint>
#include <string_view>

namespace retro {

// REQUIRES: valid UTF-8
inline int64_t NumCodePoints(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace retro
