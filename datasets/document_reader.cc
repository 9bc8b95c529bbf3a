#include "datasets/document_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <system_error>

#include "core/error.h"
#include "core/utf8.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

enum class Form { kUnknown, kJsonLines, kText };

Form FormOf(const fs::path& path) {
  if (path == "-") return Form::kJsonLines;
  fs::path name = path.filename();
  if (name.extension() == ".gz" || name.extension() == ".zst") name = name.stem();
  const std::string extension = name.extension().string();
  if (extension == ".jsonl" || extension == ".json") return Form::kJsonLines;
  return extension == ".txt" ? Form::kText : Form::kUnknown;
}

std::vector<fs::path> ListFolder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const bool hidden = entry.path().filename().string().starts_with(".");
    if (!hidden && entry.is_regular_file() && FormOf(entry.path()) != Form::kUnknown) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    Throw(ErrorCode::kNotFound,
          "{}: no .jsonl, .json or .txt file in it (plain, .gz or .zst); name the files themselves", folder.string());
  }
  return files;
}

// The documents of several files, one file open at a time.
class MultiFileReader final : public DocumentReader {
 public:
  MultiFileReader(std::vector<fs::path> files, const ReaderOptions& options)
      : files_(std::move(files)), options_(options), log_(options.on_bad_input, report_) {}

  bool Next(Document& document) override {
    while (true) {
      if (documents_ == nullptr && !OpenNext()) return false;
      const bool found = documents_->Next(document);
      report_.bytes_read = finished_bytes_ + source_->file().bytes_read();
      if (found) {
        ++report_.documents;
        return true;
      }
      CloseFile();
    }
  }

  const ReaderReport& report() const override { return report_; }

 private:
  bool OpenNext() {
    if (next_ == files_.size()) return false;
    const fs::path& path = files_[next_++];
    source_ = OpenByteSource(path, options_.max_unpack_ratio);
    documents_ =
        FormOf(path) == Form::kText ? ReadTextFile(*source_, options_, log_) : ReadJsonLines(*source_, options_, log_);
    return true;
  }

  void CloseFile() {
    const InputFile& file = source_->file();
    report_.files.push_back({files_[next_ - 1].string(), file.bytes_read(), file.hash()});
    finished_bytes_ += file.bytes_read();
    documents_.reset();
    source_.reset();
  }

  std::vector<fs::path> files_;
  ReaderOptions options_;
  ReaderReport report_;
  ProblemLog log_;
  size_t next_ = 0;
  uint64_t finished_bytes_ = 0;
  std::unique_ptr<ByteSource> source_;
  std::unique_ptr<FileDocuments> documents_;
};

}  // namespace

void ProblemLog::Add(const std::string& kind, const std::string& place, const std::string& detail) {
  if (on_bad_input_ == BadInput::kStop) {
    Throw(ErrorCode::kCorruption, "{}: {}: {}; mend it, or let bad input be skipped", place, kind, detail);
  }
  Count(kind, place, detail);
}

void ProblemLog::Count(const std::string& kind, const std::string& place, const std::string& detail) {
  ReaderReport::Kind& entry = report_.problems[kind];
  if (entry.count++ > 0) return;
  entry.first_place = place;
  entry.first_detail = detail;
}

std::string ReaderReport::Summary() const {
  std::string summary;
  for (const auto& [kind, entry] : problems) {
    if (!summary.empty()) summary += "; ";
    summary += fmt::format("{} x {} (first at {}: {})", entry.count, kind, entry.first_place, entry.first_detail);
  }
  return summary;
}

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

void CleanText(std::string& text, const std::string& place, ProblemLog& log) {
  if (!IsValidUtf8(text)) {
    log.Add("invalid UTF-8", place, "replaced by U+FFFD");
    text = ReplaceInvalidUtf8(text);
  }
  if (text.find('\0') == std::string::npos) return;
  log.Add("NUL byte", place, "replaced by U+FFFD");
  std::string replaced;
  for (const char c : text) {
    if (c == '\0') {
      AppendCodePoint(U'\uFFFD', replaced);
    } else {
      replaced += c;
    }
  }
  text = std::move(replaced);
}

size_t ByteOrderMarkBytes(std::string_view start, const std::string& name) {
  if (start.starts_with("\xEF\xBB\xBF")) return 3;
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF")) {
    Throw(ErrorCode::kInvalidArgument, "{}: is UTF-16 text; convert it to UTF-8, e.g. with iconv -f UTF-16 -t UTF-8",
          name);
  }
  return 0;
}

std::vector<fs::path> ListDocumentFiles(const std::vector<fs::path>& paths) {
  std::vector<fs::path> files;
  for (const fs::path& path : paths) {
    std::error_code error;
    if (path != "-" && !fs::exists(path, error)) {
      Throw(ErrorCode::kNotFound, "{}: no such file or folder", path.string());
    }
    if (fs::is_directory(path, error)) {
      const std::vector<fs::path> inside = ListFolder(path);
      files.insert(files.end(), inside.begin(), inside.end());
    } else if (FormOf(path) == Form::kUnknown) {
      Throw(ErrorCode::kInvalidArgument,
            "{}: the name must end in .jsonl, .json or .txt, or in one of them and .gz or .zst", path.string());
    } else {
      files.push_back(path);
    }
  }
  return files;
}

std::unique_ptr<DocumentReader> OpenDocuments(const std::vector<fs::path>& paths, const ReaderOptions& options) {
  constexpr size_t kMostLineBytes = std::numeric_limits<uint32_t>::max() / 2;  // simdjson's own limit is 4 GiB
  if (options.max_line_bytes == 0 || options.max_line_bytes > kMostLineBytes) {
    Throw(ErrorCode::kInvalidArgument, "max_line_bytes {}: must be between 1 and {}", options.max_line_bytes,
          kMostLineBytes);
  }
  return std::make_unique<MultiFileReader>(ListDocumentFiles(paths), options);
}

}  // namespace retro
