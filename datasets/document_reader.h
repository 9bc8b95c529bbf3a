// The readers behind OpenDocuments(): one file each, all reporting to one report.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "datasets/byte_source.h"
#include "datasets/document.h"

namespace retro {

// Counts problems by kind, or ends the run at the first one, as asked. One thread at a time.
class ProblemLog {
 public:
  ProblemLog(BadInput on_bad_input, ReaderReport& report) : on_bad_input_(on_bad_input), report_(report) {}

  // Throws Error(kCorruption) naming place and detail under BadInput::kStop.
  void Add(const std::string& kind, const std::string& place, const std::string& detail);

  // Counts only: for what loses nothing.
  void Count(const std::string& kind, const std::string& place, const std::string& detail);

 private:
  BadInput on_bad_input_;
  ReaderReport& report_;
};

// The documents of one file. One thread at a time.
class FileDocuments {
 public:
  virtual ~FileDocuments() = default;
  virtual bool Next(Document& document) = 0;  // as DocumentReader::Next
};

// `source` and `log` must outlive what is returned.
std::unique_ptr<FileDocuments> ReadJsonLines(ByteSource& source, const ReaderOptions& options, ProblemLog& log);
std::unique_ptr<FileDocuments> ReadTextFile(ByteSource& source, const ReaderOptions& options, ProblemLog& log);

// Makes `text` valid UTF-8 without NUL and reports what had to be replaced.
void CleanText(std::string& text, const std::string& place, ProblemLog& log);

bool IsBlank(std::string_view text);  // nothing but ASCII white space

// How many bytes of a file's start are a byte order mark. Throws Error(kInvalidArgument) when they mean UTF-16.
size_t ByteOrderMarkBytes(std::string_view start, const std::string& name);

}  // namespace retro
