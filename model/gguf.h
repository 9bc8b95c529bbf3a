// GGUF, the single-file format of llama.cpp: metadata (settings, tokenizer, chat template) and tensors, often
// quantized.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "model/tensor.h"

namespace retro {

// The types of metadata values, numbered as in the file.
enum class GgufType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

// A metadata value as its bytes in the file; decoded when asked for.
struct GgufValue {
  GgufType type = GgufType::kUint8;
  GgufType element = GgufType::kUint8;  // of an array
  uint64_t count = 1;                   // elements of an array
  std::span<const std::byte> bytes;     // without type, element type and count
};

// A mapped GGUF file, version 2 or 3. The file is not trusted: opening it walks and checks all of the metadata and the
// tensor list; tensor data is not read. Views and strings live as long as this object.
class GgufFile : public TensorSource {
 public:
  // Throws Error(kNotFound, kIo), Error(kCorruption) naming the file and the key or tensor that breaks a rule, and
  // Error(kInvalidArgument) for what retro does not read (other versions, big-endian files, other tensor types).
  explicit GgufFile(const std::filesystem::path& path);

  uint32_t version() const { return version_; }
  const TensorView* Find(std::string_view name) const override;
  std::vector<std::string> Names() const override;
  std::string Describe() const override { return file_.path().string(); }

  // Metadata. Find… gives nothing when there is no such key, Get… throws Error(kCorruption) then; both throw it naming
  // file and key when the value has another type. Integers may be stored in any width, floats in both.
  std::vector<std::string> Keys() const;
  const GgufValue* FindValue(std::string_view key) const;
  std::optional<int64_t> FindInteger(std::string_view key) const;
  std::optional<double> FindFloat(std::string_view key) const;
  std::optional<bool> FindBool(std::string_view key) const;
  std::optional<std::string_view> FindString(std::string_view key) const;
  std::optional<std::vector<std::string_view>> FindStrings(std::string_view key) const;
  std::optional<std::vector<int64_t>> FindIntegers(std::string_view key) const;
  std::optional<std::vector<float>> FindFloats(std::string_view key) const;
  int64_t GetInteger(std::string_view key) const { return Required(FindInteger(key), key); }
  double GetFloat(std::string_view key) const { return Required(FindFloat(key), key); }
  std::string_view GetString(std::string_view key) const { return Required(FindString(key), key); }
  std::vector<std::string_view> GetStrings(std::string_view key) const { return Required(FindStrings(key), key); }

 private:
  template <typename T>
  T Required(std::optional<T> value, std::string_view key) const {
    if (!value) ThrowMissing(key);
    return *std::move(value);
  }
  [[noreturn]] void ThrowMissing(std::string_view key) const;
  [[noreturn]] void ThrowType(std::string_view key, const GgufValue& value, std::string_view wanted) const;

  MappedFile file_;
  uint32_t version_ = 0;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace retro
