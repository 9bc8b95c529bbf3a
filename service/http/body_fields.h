// A request's JSON body and its fields, with errors that name the field. Fields that are not asked for are ignored, and
// null counts as absent, as OpenAI's API has it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "service/http/message.h"

namespace retro {

// The body as an object. Throws RequestError when it is none, or nested deeper than `max_depth`.
nlohmann::json ParseBody(const HttpRequest& request, int max_depth);

// The fields of one object; `json` must outlive it. Throws RequestError(param) on a wrong type or range.
class BodyFields {
 public:
  // `path`: what stands before a field's name in errors, e.g. "retrieval."
  explicit BodyFields(const nlohmann::json& json, std::string path = "");

  const nlohmann::json* Find(const char* field) const;  // null when absent
  bool Has(const char* field) const { return Find(field) != nullptr; }
  int64_t Int(const char* field, int64_t absent, int64_t min, int64_t max) const;
  double Number(const char* field, double absent, double min, double max) const;
  bool Bool(const char* field, bool absent) const;
  std::string Text(const char* field, std::string_view absent) const;
  std::string RequiredText(const char* field) const;
  // One string, or a list of at most `max_count`; none when absent.
  std::vector<std::string> Texts(const char* field, size_t max_count) const;
  // One of `choices`, or the `absent` one.
  std::string Choice(const char* field, std::string_view absent, const std::vector<std::string_view>& choices) const;
  std::string Path(const char* field) const { return path_ + field; }

 private:
  const nlohmann::json& json_;
  std::string path_;
};

// Whole numbers, also written as 5.0; none when it is another value or beyond 64 bits.
std::optional<int64_t> WholeNumber(const nlohmann::json& value);

// A value as an error shows it: short.
std::string Shown(const nlohmann::json& value);

}  // namespace retro
