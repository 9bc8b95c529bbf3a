#include "model/gguf.h"

#include <cstring>
#include <limits>

#include "core/error.h"
#include "model/gguf_parser.h"

namespace retro {
namespace {

template <typename T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// Nothing when the type is no integer, or the number does not fit.
std::optional<int64_t> DecodeInteger(GgufType type, const std::byte* from) {
  switch (type) {
    case GgufType::kUint8:
      return Load<uint8_t>(from);
    case GgufType::kInt8:
      return Load<int8_t>(from);
    case GgufType::kUint16:
      return Load<uint16_t>(from);
    case GgufType::kInt16:
      return Load<int16_t>(from);
    case GgufType::kUint32:
      return Load<uint32_t>(from);
    case GgufType::kInt32:
      return Load<int32_t>(from);
    case GgufType::kInt64:
      return Load<int64_t>(from);
    case GgufType::kUint64: {
      const auto value = Load<uint64_t>(from);
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> DecodeFloat(GgufType type, const std::byte* from) {
  if (type == GgufType::kFloat32) return Load<float>(from);
  if (type == GgufType::kFloat64) return Load<double>(from);
  return std::nullopt;
}

// The string whose length is at `from`; the parser has checked that it lies inside the file.
std::string_view DecodeString(const std::byte* from) {
  return {reinterpret_cast<const char*>(from) + sizeof(uint64_t), Load<uint64_t>(from)};
}

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> keys;
  keys.reserve(map.size());
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path) {
  GgufContents contents = ParseGguf(file_.bytes(), path.string());
  version_ = contents.version;
  metadata_ = std::move(contents.metadata);
  tensors_ = std::move(contents.tensors);
}

const TensorView* GgufFile::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<std::string> GgufFile::Names() const { return KeysOf(tensors_); }
std::vector<std::string> GgufFile::Keys() const { return KeysOf(metadata_); }

const GgufValue* GgufFile::FindValue(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

std::optional<int64_t> GgufFile::FindInteger(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<int64_t> number = DecodeInteger(value->type, value->bytes.data());
  if (!number) ThrowType(key, *value, "a 63-bit integer");
  return number;
}

std::optional<double> GgufFile::FindFloat(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  const std::optional<double> number = DecodeFloat(value->type, value->bytes.data());
  if (!number) ThrowType(key, *value, "a float");
  return number;
}

std::optional<bool> GgufFile::FindBool(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kBool) ThrowType(key, *value, "a bool");
  return Load<uint8_t>(value->bytes.data()) != 0;
}

std::optional<std::string_view> GgufFile::FindString(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kString) ThrowType(key, *value, "a string");
  return DecodeString(value->bytes.data());
}

std::optional<std::vector<std::string_view>> GgufFile::FindStrings(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kArray || value->element != GgufType::kString) {
    ThrowType(key, *value, "an array of strings");
  }
  std::vector<std::string_view> strings;
  strings.reserve(value->count);
  const std::byte* at = value->bytes.data();
  for (uint64_t i = 0; i < value->count; ++i) {
    strings.push_back(DecodeString(at));
    at += sizeof(uint64_t) + strings.back().size();
  }
  return strings;
}

std::optional<std::vector<int64_t>> GgufFile::FindIntegers(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  const size_t size = GgufScalarBytes(value->element);
  std::vector<int64_t> numbers;
  for (uint64_t i = 0; value->type == GgufType::kArray && size != 0 && i < value->count; ++i) {
    const std::optional<int64_t> number = DecodeInteger(value->element, value->bytes.data() + i * size);
    if (!number) break;
    numbers.push_back(*number);
  }
  if (value->type != GgufType::kArray || numbers.size() != value->count) {
    ThrowType(key, *value, "an array of 63-bit integers");
  }
  return numbers;
}

std::optional<std::vector<float>> GgufFile::FindFloats(std::string_view key) const {
  const GgufValue* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kArray || value->element != GgufType::kFloat32) {
    ThrowType(key, *value, "an array of float32");
  }
  std::vector<float> numbers(value->count);
  if (!numbers.empty()) std::memcpy(numbers.data(), value->bytes.data(), value->bytes.size());
  return numbers;
}

void GgufFile::ThrowMissing(std::string_view key) const {
  Throw(ErrorCode::kCorruption, "{}: the metadata key {} is missing", Describe(), key);
}

void GgufFile::ThrowType(std::string_view key, const GgufValue& value, std::string_view wanted) const {
  const bool is_array = value.type == GgufType::kArray;
  Throw(ErrorCode::kCorruption, "{}: the metadata key {} is {}{}, must be {}", Describe(), key,
        is_array ? "an array of " : "", GgufTypeName(is_array ? value.element : value.type), wanted);
}

}  // namespace retro
