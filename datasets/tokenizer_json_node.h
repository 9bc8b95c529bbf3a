// A JSON value that knows its file and its place in it, so that what is wrong can be named.
#pragma once

#include <simdjson.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/ids.h"

namespace retro {

class JsonNode {
 public:
  JsonNode(simdjson::dom::element element, std::string file, std::string place)
      : element_(element), file_(std::move(file)), place_(std::move(place)) {}

  const std::string& file() const { return file_; }
  const std::string& place() const { return place_; }
  simdjson::dom::element element() const { return element_; }

  bool IsNull() const { return element_.is_null(); }
  bool IsString() const { return element_.is_string(); }
  bool IsArray() const { return element_.is_array(); }

  // Absent when there is no such key or it is null. Throws when this is not an object.
  std::optional<JsonNode> Find(std::string_view key) const;
  JsonNode Get(std::string_view key) const;  // throws when Find finds nothing

  std::string_view String() const;
  bool Bool() const;
  double Number() const;
  TokenId Id() const;  // at least 0
  simdjson::dom::array Array() const;
  simdjson::dom::object Object() const;
  JsonNode Child(simdjson::dom::element element, std::string_view step) const;

  bool BoolOr(std::string_view key, bool otherwise) const;
  std::string StringOr(std::string_view key, std::string_view otherwise) const;

  [[noreturn]] void ThrowUnsupported(std::string_view what) const;
  [[noreturn]] void ThrowBad(std::string_view what) const;

 private:
  simdjson::dom::element element_;
  std::string file_;
  std::string place_;  // "model.vocab"
};

// A parsed file; nodes live as long as it does.
class JsonFile {
 public:
  // Throws Error(kNotFound, kIo, kCorruption).
  explicit JsonFile(const std::filesystem::path& path);
  JsonNode root() const { return {root_, path_, ""}; }

 private:
  std::string path_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace retro
