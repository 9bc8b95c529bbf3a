#include "datasets/tokenizer_json_node.h"

#include <limits>

#include "core/file.h"

namespace retro {

std::optional<JsonNode> JsonNode::Find(std::string_view key) const {
  simdjson::dom::element child;
  if (Object().at_key(key).get(child) != simdjson::SUCCESS || child.is_null()) return std::nullopt;
  return Child(child, key);
}

JsonNode JsonNode::Get(std::string_view key) const {
  auto child = Find(key);
  if (!child) ThrowBad(fmt::format("has no \"{}\"", key));
  return *std::move(child);
}

std::string_view JsonNode::String() const {
  std::string_view value;
  if (element_.get_string().get(value) != simdjson::SUCCESS) ThrowBad("must be a string");
  return value;
}

bool JsonNode::Bool() const {
  bool value = false;
  if (element_.get_bool().get(value) != simdjson::SUCCESS) ThrowBad("must be true or false");
  return value;
}

double JsonNode::Number() const {
  double value = 0;
  if (element_.get_double().get(value) != simdjson::SUCCESS) ThrowBad("must be a number");
  return value;
}

TokenId JsonNode::Id() const {
  int64_t value = 0;
  if (element_.get_int64().get(value) != simdjson::SUCCESS || value < 0 ||
      value > std::numeric_limits<TokenId>::max()) {
    ThrowBad("must be a token id: a whole number from 0 to 2147483647");
  }
  return static_cast<TokenId>(value);
}

simdjson::dom::array JsonNode::Array() const {
  simdjson::dom::array value;
  if (element_.get_array().get(value) != simdjson::SUCCESS) ThrowBad("must be a list");
  return value;
}

simdjson::dom::object JsonNode::Object() const {
  simdjson::dom::object value;
  if (element_.get_object().get(value) != simdjson::SUCCESS) ThrowBad("must be an object");
  return value;
}

JsonNode JsonNode::Child(simdjson::dom::element element, std::string_view step) const {
  return {element, file_, place_.empty() ? std::string(step) : fmt::format("{}.{}", place_, step)};
}

bool JsonNode::BoolOr(std::string_view key, bool otherwise) const {
  const auto child = Find(key);
  return child ? child->Bool() : otherwise;
}

std::string JsonNode::StringOr(std::string_view key, std::string_view otherwise) const {
  const auto child = Find(key);
  return std::string(child ? child->String() : otherwise);
}

void JsonNode::ThrowUnsupported(std::string_view what) const {
  Throw(ErrorCode::kInvalidArgument, "{}: {}: {} is not supported", file_, place_.empty() ? "the file" : place_, what);
}

void JsonNode::ThrowBad(std::string_view what) const {
  Throw(ErrorCode::kCorruption, "{}: {} {}", file_, place_.empty() ? "the file" : place_, what);
}

JsonFile::JsonFile(const std::filesystem::path& path) : path_(path.string()) {
  const std::string text = ReadFile(path);
  const auto error = parser_.parse(text).get(root_);
  if (error != simdjson::SUCCESS) {
    Throw(ErrorCode::kCorruption, "{} is not valid JSON: {}; fetch the file again", path_,
          simdjson::error_message(error));
  }
}

}  // namespace retro
