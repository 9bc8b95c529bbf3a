// Writes GGUF bytes piece by piece, right or deliberately wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf.h"

namespace retro {

class GgufBuilder {
 public:
  uint32_t version = 3;
  uint64_t alignment = 32;  // of the data; a pair "general.alignment" is the caller's
  std::string data;

  template <typename T>
  static std::string Bytes(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string String(std::string_view text) { return Bytes<uint64_t>(text.size()) + std::string(text); }

  GgufBuilder& Pair(std::string_view key, GgufType type, const std::string& value) {
    pairs_.push_back(String(key) + Bytes(static_cast<uint32_t>(type)) + value);
    return *this;
  }
  GgufBuilder& Integer(std::string_view key, uint32_t value) { return Pair(key, GgufType::kUint32, Bytes(value)); }
  GgufBuilder& Float(std::string_view key, float value) { return Pair(key, GgufType::kFloat32, Bytes(value)); }
  GgufBuilder& Text(std::string_view key, std::string_view text) { return Pair(key, GgufType::kString, String(text)); }
  GgufBuilder& Array(std::string_view key, GgufType element, const std::vector<std::string>& values) {
    std::string bytes = Bytes(static_cast<uint32_t>(element)) + Bytes<uint64_t>(values.size());
    for (const std::string& value : values) bytes += value;
    return Pair(key, GgufType::kArray, bytes);
  }
  GgufBuilder& Strings(std::string_view key, const std::vector<std::string>& values) {
    std::vector<std::string> encoded;
    for (const std::string& value : values) encoded.push_back(String(value));
    return Array(key, GgufType::kString, encoded);
  }

  // `dims` innermost first, as the file has them.
  GgufBuilder& Tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    std::string bytes = String(name) + Bytes(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) bytes += Bytes(dim);
    tensors_.push_back(bytes + Bytes(type) + Bytes(offset));
    return *this;
  }
  // An fp32 tensor of ones after the data so far.
  GgufBuilder& Ones(std::string_view name, const std::vector<uint64_t>& dims) {
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    Tensor(name, dims, 0, data.size());
    uint64_t count = 1;
    for (const uint64_t dim : dims) count *= dim;
    for (uint64_t i = 0; i < count; ++i) data += Bytes(1.0f);
    return *this;
  }

  std::string Build() const {
    std::string bytes = "GGUF" + Bytes(version) + Bytes<uint64_t>(tensors_.size()) + Bytes<uint64_t>(pairs_.size());
    for (const std::string& pair : pairs_) bytes += pair;
    for (const std::string& tensor : tensors_) bytes += tensor;
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    return bytes + data;
  }

 private:
  std::vector<std::string> pairs_, tensors_;
};

}  // namespace retro
