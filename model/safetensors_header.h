// The JSON header of a safetensors file, parsed strictly: nothing but what the format knows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/tensor.h"

namespace retro {

// The formats that the JSON spells as we do; nothing for the others.
std::optional<DataType> SafetensorsType(std::string_view spelling);

struct SafetensorsHeader {
  struct Entry {
    std::string name;
    DataType type = DataType::kF32;
    std::vector<int64_t> shape;
    uint64_t begin = 0, end = 0;  // in the data after the header
  };
  std::vector<Entry> entries;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

// Checks that the entries have the size of their shapes and cover `data_bytes` without hole or overlap.
// Throws Error(kCorruption) naming `path` and the entry.
SafetensorsHeader ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes, std::string_view path);

}  // namespace retro
