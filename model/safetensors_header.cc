#include "model/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "core/error.h"

namespace retro {
namespace {

constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxEntries = 1'000'000;
constexpr size_t kMaxDims = 16;

// Receives the parser's events. Each one must fit the place that the parse has reached, so depth and memory are bounded
// by what the format allows; the first that does not ends the parse with a message.
class HeaderEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool start_object(size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kTop;
        return true;
      case Place::kMetadataObject:
        place_ = Place::kMetadata;
        return true;
      case Place::kEntryObject:
        place_ = Place::kEntry;
        return true;
      default:
        return Unexpected("an object");
    }
  }

  bool end_object() override {
    if (place_ == Place::kEntry) {
      if (!has_type_ || !has_shape_ || num_offsets_ != 2) return Fail("must have dtype, shape and two data_offsets");
      header_.entries.push_back(std::move(entry_));
    }
    place_ = Place::kTop;
    return true;
  }

  bool key(std::string& name) override {
    if (place_ == Place::kTop) return TopKey(name);
    if (place_ == Place::kMetadata) {
      if (header_.metadata.contains(name)) return Fail("has the key " + name + " twice");
      metadata_key_ = name;
      place_ = Place::kMetadataValue;
      return true;
    }
    return EntryKey(name);
  }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadataValue) {
      header_.metadata[metadata_key_] = value;
      place_ = Place::kMetadata;
      return true;
    }
    if (place_ != Place::kType) return Unexpected("a string");
    const std::optional<DataType> type = SafetensorsType(value);
    if (!type) return Fail("has dtype " + value + ", which retro does not read");
    entry_.type = *type;
    has_type_ = true;
    place_ = Place::kEntry;
    return true;
  }

  bool start_array(size_t) override {
    if (place_ == Place::kShape) {
      place_ = Place::kDims;
    } else if (place_ == Place::kOffsets) {
      place_ = Place::kOffsetNumbers;
    } else {
      return Unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    place_ = Place::kEntry;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (place_ == Place::kDims) {
      if (entry_.shape.size() == kMaxDims) return Fail("has too many dimensions");
      if (value > INT64_MAX) return Fail("has a dimension that does not fit 63 bits");
      entry_.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ != Place::kOffsetNumbers) return Unexpected("a number");
    if (num_offsets_ == 2) return Fail("has more than two data_offsets");
    (num_offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    return true;
  }

  bool number_integer(int64_t) override { return Unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { return Unexpected("a fraction"); }
  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("true or false"); }
  bool binary(nlohmann::json::binary_t&) override { return Unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    if (error_.empty()) error_ = fmt::format("the header is not valid JSON at its byte {}", position);
    return false;
  }

  SafetensorsHeader& header() { return header_; }
  const std::string& error() const { return error_; }

 private:
  enum class Place {
    kStart,           // nothing read
    kTop,             // among the entries
    kMetadataObject,  // after the key __metadata__
    kMetadata,        // inside it
    kMetadataValue,
    kEntryObject,  // after a tensor's name
    kEntry,        // inside its object
    kType,
    kShape,
    kDims,
    kOffsets,
    kOffsetNumbers,
  };

  bool TopKey(const std::string& name) {
    if (name == "__metadata__") {
      what_ = name;
      if (has_metadata_) return Fail("occurs twice");
      has_metadata_ = true;
      place_ = Place::kMetadataObject;
      return true;
    }
    what_ = "tensor " + name.substr(0, 256);
    if (name.size() > kMaxNameBytes) return Fail("has a name that is too long");
    if (!names_.insert(name).second) return Fail("occurs twice");
    if (names_.size() > kMaxEntries) return Fail("is one of more than a million");
    entry_ = {};
    entry_.name = name;
    has_type_ = has_shape_ = has_offsets_ = false;
    num_offsets_ = 0;
    place_ = Place::kEntryObject;
    return true;
  }

  bool EntryKey(const std::string& name) {
    if (name == "dtype" && !has_type_) {
      place_ = Place::kType;
    } else if (name == "shape" && !has_shape_) {
      has_shape_ = true;
      place_ = Place::kShape;
    } else if (name == "data_offsets" && !has_offsets_) {
      has_offsets_ = true;
      place_ = Place::kOffsets;
    } else {
      return Fail("has the field " + name.substr(0, 256) + ", unknown or a second time");
    }
    return true;
  }

  bool Fail(const std::string& problem) {
    error_ = what_ + " " + problem;
    return false;
  }
  bool Unexpected(const char* found) { return Fail(std::string("has ") + found + " where it must not be"); }

  SafetensorsHeader header_;
  SafetensorsHeader::Entry entry_;
  std::set<std::string> names_;
  Place place_ = Place::kStart;
  std::string what_ = "the header", metadata_key_, error_;
  bool has_metadata_ = false, has_type_ = false, has_shape_ = false, has_offsets_ = false;
  int num_offsets_ = 0;
};

void CheckCoverage(std::vector<SafetensorsHeader::Entry>& entries, uint64_t data_bytes, std::string_view path) {
  std::ranges::sort(entries, {}, [](const auto& entry) { return std::tuple(entry.begin, entry.end); });
  uint64_t covered = 0;
  for (const auto& entry : entries) {
    if (entry.begin != covered || entry.end < entry.begin || entry.end > data_bytes) {
      Throw(ErrorCode::kCorruption,
            "{}: tensor {} has data_offsets [{}, {}], but it must begin at {} and the file has {} bytes of data: the "
            "file was cut or damaged, get it again",
            path, entry.name, entry.begin, entry.end, covered, data_bytes);
    }
    const std::optional<uint64_t> bytes = TensorBytes(entry.type, entry.shape);
    if (!bytes || *bytes != entry.end - entry.begin) {
      Throw(ErrorCode::kCorruption, "{}: tensor {} has {} bytes, its type {} and shape {} need {}", path, entry.name,
            entry.end - entry.begin, DataTypeName(entry.type), ShapeText(entry.shape),
            bytes ? std::to_string(*bytes) : "more than 63 bits can count");
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    Throw(ErrorCode::kCorruption, "{}: the tensors cover {} bytes, the file has {} bytes of data", path, covered,
          data_bytes);
  }
}

}  // namespace

std::optional<DataType> SafetensorsType(std::string_view spelling) {
  for (int i = 0; i <= static_cast<int>(DataType::kBool); ++i) {
    const auto type = static_cast<DataType>(i);
    if (DataTypeName(type) == spelling) return type;
  }
  return std::nullopt;
}

SafetensorsHeader ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes, std::string_view path) {
  // The JSON parser would take a zero byte for the end of its input.
  if (json.empty() || json.front() != '{' || json.find('\0') != std::string_view::npos) {
    Throw(ErrorCode::kCorruption, "{}: the header is not a JSON object: this is not a safetensors file", path);
  }
  HeaderEvents events;
  if (!nlohmann::json::sax_parse(json, &events)) {
    Throw(ErrorCode::kCorruption, "{}: {}", path, events.error());
  }
  CheckCoverage(events.header().entries, data_bytes, path);
  return std::move(events.header());
}

}  // namespace retro
