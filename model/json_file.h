// The JSON settings files of a model folder, read without trust, and their fields with errors that name them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace retro {

// The file must hold an object or an array. Throws Error(kNotFound, kIo), or Error(kCorruption) when it is not valid
// JSON, nested deeper than settings ever are, or too large.
nlohmann::json ReadJsonFile(const std::filesystem::path& path);

// The fields of one object; `named` is the file for messages. A field that is null counts as absent. Throws
// Error(kInvalidArgument) naming file and field when a required one is absent or one has another type or range.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& json, std::filesystem::path named);

  const nlohmann::json* Find(const char* field) const;  // null when absent
  bool Has(const char* field) const { return Find(field) != nullptr; }
  int64_t Count(const char* field, int64_t max) const;  // 1 .. max
  int64_t CountOr(const char* field, int64_t absent, int64_t max) const;
  float PositiveOr(const char* field, double absent) const;
  bool BoolOr(const char* field, bool absent) const;
  std::string TextOr(const char* field, std::string_view absent) const;
  JsonFields Object(const char* field) const;

  [[noreturn]] void Refuse(const char* field, std::string_view problem) const;

 private:
  const nlohmann::json& json_;
  std::filesystem::path named_;
};

}  // namespace retro
