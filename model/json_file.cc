#include "model/json_file.h"

#include <cmath>

#include "core/error.h"
#include "core/file.h"

namespace retro {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr int kMaxDepth = 64;

}  // namespace

nlohmann::json ReadJsonFile(const std::filesystem::path& path) {
  const std::string text = ReadFile(path, kMaxBytes);
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text, [&path](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      if (depth > kMaxDepth)
        Throw(ErrorCode::kCorruption, "{}: nested deeper than {} levels", path.string(), kMaxDepth);
      return true;
    });
  } catch (const nlohmann::json::exception& error) {
    Throw(ErrorCode::kCorruption, "{}: not valid JSON: {}", path.string(), error.what());
  }
  if (!json.is_object() && !json.is_array()) Throw(ErrorCode::kCorruption, "{}: not a JSON object", path.string());
  return json;
}

JsonFields::JsonFields(const nlohmann::json& json, std::filesystem::path named)
    : json_(json), named_(std::move(named)) {
  if (!json.is_object()) Throw(ErrorCode::kInvalidArgument, "{}: not a JSON object", named_.string());
}

const nlohmann::json* JsonFields::Find(const char* field) const {
  const auto found = json_.find(field);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

int64_t JsonFields::Count(const char* field, int64_t max) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) Refuse(field, "is missing");
  // Unsigned numbers beyond 63 bits would turn negative, and are then out of range as well.
  const int64_t number = value->is_number_integer() ? value->get<int64_t>() : 0;
  if (number < 1 || number > max) {
    Refuse(field, fmt::format("is {}, must be a whole number from 1 to {}", value->dump(), max));
  }
  return number;
}

int64_t JsonFields::CountOr(const char* field, int64_t absent, int64_t max) const {
  return Has(field) ? Count(field, max) : absent;
}

float JsonFields::PositiveOr(const char* field, double absent) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return static_cast<float>(absent);
  const float number = value->is_number() ? static_cast<float>(value->get<double>()) : 0.0f;
  if (!std::isfinite(number) || number <= 0) {
    Refuse(field, fmt::format("is {}, must be a number above 0", value->dump()));
  }
  return number;
}

bool JsonFields::BoolOr(const char* field, bool absent) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) Refuse(field, "must be true or false");
  return value->get<bool>();
}

std::string JsonFields::TextOr(const char* field, std::string_view absent) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return std::string(absent);
  if (!value->is_string()) Refuse(field, "must be a string");
  return value->get<std::string>();
}

JsonFields JsonFields::Object(const char* field) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr || !value->is_object()) Refuse(field, "must be an object");
  return {*value, named_};
}

void JsonFields::Refuse(const char* field, std::string_view problem) const {
  Throw(ErrorCode::kInvalidArgument, "{}: {} {}", named_.string(), field, problem);
}

}  // namespace retro
