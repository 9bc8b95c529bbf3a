#include "service/http/body_fields.h"

#include <cmath>
#include <optional>

#include "service/http/request_error.h"
#include "service/http/sse.h"

namespace retro {

nlohmann::json ParseBody(const HttpRequest& request, int max_depth) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(request.body, [max_depth](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
      if (depth > max_depth)
        throw RequestError(400, fmt::format("the body is nested deeper than {} levels", max_depth));
      return true;
    });
  } catch (const nlohmann::json::exception& error) {
    throw RequestError(400, fmt::format("the body is not valid JSON: {}", error.what()));
  }
  if (!json.is_object()) throw RequestError(400, "the body must be a JSON object");
  return json;
}

BodyFields::BodyFields(const nlohmann::json& json, std::string path) : json_(json), path_(std::move(path)) {
  if (!json.is_object()) RefuseField(path_.substr(0, path_.find_last_not_of('.') + 1), "must be an object");
}

const nlohmann::json* BodyFields::Find(const char* field) const {
  const auto found = json_.find(field);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

int64_t BodyFields::Int(const char* field, int64_t absent, int64_t min, int64_t max) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return absent;
  const std::optional<int64_t> number = WholeNumber(*value);
  if (!number || *number < min || *number > max) {
    RefuseField(Path(field), "{} is {}: it must be a whole number from {} to {}", Path(field), Shown(*value), min, max);
  }
  return *number;
}

double BodyFields::Number(const char* field, double absent, double min, double max) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return absent;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= min && number <= max)) {
    RefuseField(Path(field), "{} is {}: it must be a number from {} to {}", Path(field), Shown(*value), min, max);
  }
  return number;
}

bool BodyFields::Bool(const char* field, bool absent) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return absent;
  if (!value->is_boolean()) RefuseField(Path(field), "{} is {}: it must be true or false", Path(field), Shown(*value));
  return value->get<bool>();
}

std::string BodyFields::Text(const char* field, std::string_view absent) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return std::string(absent);
  if (!value->is_string()) RefuseField(Path(field), "{} is {}: it must be a string", Path(field), Shown(*value));
  return value->get<std::string>();
}

std::string BodyFields::RequiredText(const char* field) const {
  if (!Has(field)) RefuseField(Path(field), "{} is missing: it must be a string", Path(field));
  return Text(field, "");
}

std::vector<std::string> BodyFields::Texts(const char* field, size_t max_count) const {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) {
    RefuseField(Path(field), "{} is {}: it must be a string or a list of strings", Path(field), Shown(*value));
  }
  if (value->size() > max_count) {
    RefuseField(Path(field), "{} has {} entries: at most {} may be given", Path(field), value->size(), max_count);
  }
  std::vector<std::string> texts;
  for (const nlohmann::json& text : *value) {
    if (!text.is_string()) RefuseField(Path(field), "{} holds {}: it must hold strings", Path(field), Shown(text));
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

std::string BodyFields::Choice(const char* field, std::string_view absent,
                               const std::vector<std::string_view>& choices) const {
  const std::string choice = Text(field, absent);
  if (std::ranges::find(choices, choice) != choices.end()) return choice;
  RefuseField(Path(field), "{} is {}: it must be one of {}", Path(field), Shown(choice), fmt::join(choices, ", "));
}

std::optional<int64_t> WholeNumber(const nlohmann::json& value) {
  constexpr double kBound = 9007199254740992.0;  // 2^53: beyond it a double does not tell whole numbers apart
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (!(std::abs(number) <= kBound) || number != std::floor(number)) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::string Shown(const nlohmann::json& value) {
  constexpr size_t kMost = 60;
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  std::string text = DumpJson(value);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

}  // namespace retro
