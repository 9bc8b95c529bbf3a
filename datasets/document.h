// One document of a corpus, and where documents come from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace retro {

// Text is valid UTF-8. Fields that the source lacks are empty; `id` never is (readers make FILE:LINE when it is
// missing).
struct Document {
  std::string id;
  std::string title;
  std::string text;
  std::string source;
  std::string url;
  std::string licence;
  std::string date;  // of what it says, as the source wrote it; searches by date know ISO 8601
};

// What to do with input that cannot be used.
enum class BadInput { kSkip, kStop };

struct ReaderOptions {
  BadInput on_bad_input = BadInput::kSkip;
  size_t max_line_bytes = size_t{64} << 20;  // longer lines are skipped without being held in memory
  // A compressed file may unpack to at most this many times its size (a bomb otherwise), never less than 1 GiB.
  size_t max_unpack_ratio = 1000;
};

// What was met while reading, by kind, each with the first place ("FILE:LINE").
struct ReaderReport {
  struct Kind {
    uint64_t count = 0;
    std::string first_place;
    std::string first_detail;
  };
  struct File {
    std::string path;
    uint64_t bytes = 0;
    std::string xxh3;
  };
  uint64_t documents = 0;
  uint64_t bytes_read = 0;               // of the files as they are on disk
  std::vector<File> files;               // those read to their end, in order
  std::map<std::string, Kind> problems;  // "bad JSON", "no text", "invalid UTF-8", "line too long", ...
  std::string Summary() const;           // one line for people; empty when there was no problem
};

// A stream of documents. One thread at a time. Memory is bounded by max_line_bytes, however large the file.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  // Fills `document` and returns true, or returns false at the end. Throws Error(kCorruption) on bad input when asked
  // to stop, and in any case when a compressed stream is damaged or ends early; Error(kIo) when reading fails.
  virtual bool Next(Document& document) = 0;
  virtual const ReaderReport& report() const = 0;
};

// The files that `paths` name: a folder stands for every .jsonl, .json or .txt file in it (plain or with .gz or .zst
// behind), in the order of their names. Throws Error(kNotFound, kInvalidArgument).
std::vector<std::filesystem::path> ListDocumentFiles(const std::vector<std::filesystem::path>& paths);

// Opens ListDocumentFiles(paths) one after the other. "-" is standard input as JSON lines. Throws Error(kNotFound,
// kInvalidArgument).
//
// JSON lines: one object a line. "text" must be a string with more than white space; "id", "title", "source", "url",
// "licence" (or "license") and "date" may be strings or numbers; other fields are ignored. Of a repeated field the last
// one counts. Text: a .txt file is one document, its name the title. Beyond max_line_bytes it is cut into several at a
// blank line (else at a line's end, else at a character), with ids FILE, FILE#2, FILE#3. Both: a byte order mark is
// dropped, CRLF ends a line as LF does, and NUL, invalid UTF-8 and lone surrogates become U+FFFD and are counted.
std::unique_ptr<DocumentReader> OpenDocuments(const std::vector<std::filesystem::path>& paths,
                                              const ReaderOptions& options = {});

}  // namespace retro
