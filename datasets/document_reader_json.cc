// One JSON object a line, parsed by simdjson.
#include <fmt/format.h>
#include <simdjson.h>

#include <cstring>
#include <optional>

#include "core/utf8.h"
#include "datasets/document_reader.h"
#include "datasets/line_reader.h"

namespace retro {
namespace {

namespace dom = simdjson::dom;

static_assert(simdjson::SIMDJSON_PADDING <= LineReader::kPadding);

// A parser that met one large line gives its memory back at the next ordinary one.
constexpr size_t kOrdinaryLineBytes = size_t{4} << 20;

std::optional<uint32_t> ParseHex4(const char* digits) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = digits[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

// The code unit of an escape \uXXXX at `at`, if there is one.
std::optional<uint32_t> EscapedUnit(std::span<const char> line, size_t at) {
  if (at + 6 > line.size() || line[at] != '\\' || line[at + 1] != 'u') return std::nullopt;
  return ParseHex4(&line[at + 2]);
}

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// Turns \uXXXX of a surrogate without its other half into \uFFFD, in place; true when there was one.
bool ReplaceLoneSurrogates(std::span<char> line) {
  bool found = false;
  size_t at = 0;
  while (at < line.size()) {
    const auto* backslash = static_cast<char*>(std::memchr(&line[at], '\\', line.size() - at));
    if (backslash == nullptr) break;
    at = static_cast<size_t>(backslash - line.data());
    const std::optional<uint32_t> unit = EscapedUnit(line, at);
    if (!unit.has_value()) {
      at += 2;
    } else if (IsHighSurrogate(*unit) && IsLowSurrogate(EscapedUnit(line, at + 6).value_or(0))) {
      at += 12;
    } else {
      if (IsHighSurrogate(*unit) || IsLowSurrogate(*unit)) {
        std::memcpy(&line[at + 2], "fffd", 4);
        found = true;
      }
      at += 6;
    }
  }
  return found;
}

std::string_view TypeName(dom::element value) {
  switch (value.type()) {
    case dom::element_type::ARRAY:
      return "a list";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::BOOL:
      return "true or false";
    case dom::element_type::NULL_VALUE:
      return "null";
    case dom::element_type::STRING:
      return "a string";
    default:
      return "a number";
  }
}

class JsonLines final : public FileDocuments {
 public:
  JsonLines(ByteSource& source, const ReaderOptions& options, ProblemLog& log)
      : name_(source.file().name()), options_(options), lines_(source, options.max_line_bytes), log_(log) {}

  bool Next(Document& document) override {
    std::span<char> line;
    while (true) {
      const LineReader::Status status = lines_.Next(line);
      if (status == LineReader::Status::kEnd) return false;
      if (status == LineReader::Status::kTooLong) {
        log_.Add("line too long", Place(), fmt::format("more than {} bytes", options_.max_line_bytes));
        continue;
      }
      if (lines_.line_number() == 1) {
        line = line.subspan(ByteOrderMarkBytes({line.data(), line.size()}, name_));
      }
      if (IsBlank({line.data(), line.size()})) continue;
      if (ReadDocument(line, document)) return true;
    }
  }

 private:
  std::string Place() const { return fmt::format("{}:{}", name_, lines_.line_number()); }

  bool ReadDocument(std::span<char> line, Document& document) {
    if (ReplaceLoneSurrogates(line)) log_.Add("lone surrogate", Place(), "replaced by U+FFFD");
    dom::element root;
    simdjson::error_code error = Parse(line, root);
    if (error == simdjson::UTF8_ERROR) {
      log_.Add("invalid UTF-8", Place(), "replaced by U+FFFD");
      repaired_ = ReplaceInvalidUtf8({line.data(), line.size()});
      repaired_.reserve(repaired_.size() + LineReader::kPadding);
      error = Parse(repaired_, root);
    }
    if (error != simdjson::SUCCESS) {
      log_.Add("bad JSON", Place(), simdjson::error_message(error));
      return false;
    }
    dom::object object;
    if (root.get(object) != simdjson::SUCCESS) {
      log_.Add("bad JSON", Place(), fmt::format("{} where an object must be", TypeName(root)));
      return false;
    }
    return FillDocument(object, document);
  }

  // REQUIRES: LineReader::kPadding readable bytes behind `text`
  simdjson::error_code Parse(std::span<const char> text, dom::element& root) {
    if (parser_.capacity() > 2 * kOrdinaryLineBytes && text.size() <= kOrdinaryLineBytes) parser_ = dom::parser();
    return parser_.parse(text.data(), text.size(), /*realloc_if_needed=*/false).get(root);
  }

  bool FillDocument(dom::object object, Document& document) {
    document = Document();
    seen_ = 0;
    bool has_text = false;
    for (const dom::key_value_pair field : object) {
      if (field.key == "text") {
        NoteField(0, field.key);
        has_text = ReadText(field.value, document.text);
      } else {
        ReadOptionalField(field, document);
      }
    }
    if (document.id.empty()) document.id = Place();
    if (!has_text) {
      log_.Add("no text", Place(), (seen_ & 1) == 0 ? "the object has no field \"text\"" : "\"text\" is not a string");
      return false;
    }
    if (IsBlank(document.text)) {
      log_.Add("empty text", Place(), fmt::format("document \"{}\"", document.id));
      return false;
    }
    return true;
  }

  static std::string* FieldOf(Document& document, std::string_view key, int& number) {
    if (key == "id") return number = 1, &document.id;
    if (key == "title") return number = 2, &document.title;
    if (key == "source") return number = 3, &document.source;
    if (key == "url") return number = 4, &document.url;
    if (key == "licence" || key == "license") return number = 5, &document.licence;
    if (key == "date") return number = 6, &document.date;
    return nullptr;
  }

  void NoteField(int number, std::string_view key) {
    const unsigned bit = 1u << number;
    if ((seen_ & bit) != 0) log_.Add("repeated field", Place(), fmt::format("\"{}\": the last one counts", key));
    seen_ |= bit;
  }

  bool ReadText(dom::element value, std::string& text) {
    std::string_view view;
    if (value.get(view) != simdjson::SUCCESS) return false;
    text.assign(view);
    CleanText(text, Place(), log_);
    return true;
  }

  void ReadOptionalField(const dom::key_value_pair& field, Document& document) {
    int number = 0;
    std::string* const target = FieldOf(document, field.key, number);
    if (target == nullptr) return;
    NoteField(number, field.key);
    target->clear();
    if (field.value.is_number()) {
      *target = simdjson::minify(field.value);
    } else if (!field.value.is_null() && !ReadText(field.value, *target)) {
      log_.Add("wrong type", Place(), fmt::format("\"{}\" is {}; taken as empty", field.key, TypeName(field.value)));
    }
  }

  std::string name_;
  ReaderOptions options_;
  LineReader lines_;
  ProblemLog& log_;
  dom::parser parser_;
  std::string repaired_;
  unsigned seen_ = 0;  // fields of the present object, one bit each
};

}  // namespace

std::unique_ptr<FileDocuments> ReadJsonLines(ByteSource& source, const ReaderOptions& options, ProblemLog& log) {
  return std::make_unique<JsonLines>(source, options, log);
}

}  // namespace retro
