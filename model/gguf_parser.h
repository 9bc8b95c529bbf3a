// The walk over the header of a GGUF file. Every count, length and offset is checked against the bytes that are left
// before it is used, so that a hostile file costs no more memory than its own size.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "model/gguf.h"
#include "model/tensor.h"

namespace retro {

struct GgufContents {
  uint32_t version = 0;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::map<std::string, TensorView, std::less<>> tensors;
};

// Throws Error as GgufFile does; `path` is for its messages.
GgufContents ParseGguf(std::span<const std::byte> bytes, const std::string& path);

size_t GgufScalarBytes(GgufType type);  // 0 for strings and arrays
std::string_view GgufTypeName(GgufType type);

}  // namespace retro
