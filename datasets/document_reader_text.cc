// A text file as one document, or as several where it is larger than a line may be.
#include <fmt/format.h>

#include <filesystem>

#include "core/utf8.h"
#include "datasets/document_reader.h"

namespace retro {
namespace {

constexpr size_t kReadBytes = size_t{256} << 10;

// "notes.txt.gz" -> "notes"
std::string TitleOf(const std::string& name) {
  std::filesystem::path path = std::filesystem::path(name).filename();
  if (path.extension() != ".txt") path = path.stem();
  return path.stem().string();
}

void NormalizeLineEnds(std::string& text) {
  if (text.find('\r') == std::string::npos) return;
  size_t out = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    text[out++] = text[i];
  }
  text.resize(out);
}

// Where to cut a text of which more follows: behind the last blank line, else line, else character.
size_t CutPosition(std::string_view text) {
  for (const std::string_view end : {"\n\n", "\r\n\r\n", "\n"}) {
    const size_t at = text.rfind(end);
    if (at != std::string_view::npos) return at + end.size();
  }
  const size_t whole = CompleteUtf8Prefix(text);
  return whole > 0 ? whole : text.size();
}

class TextFile final : public FileDocuments {
 public:
  TextFile(ByteSource& source, const ReaderOptions& options, ProblemLog& log)
      : source_(source), name_(source.file().name()), max_bytes_(options.max_line_bytes), log_(log) {}

  bool Next(Document& document) override {
    while (true) {
      Fill();
      if (pending_.empty()) {
        if (part_++ == 0) log_.Add("empty text", name_, "the file is empty");
        return false;
      }
      const bool more = pending_.size() > max_bytes_;
      const size_t length = more ? CutPosition(std::string_view(pending_).substr(0, max_bytes_)) : pending_.size();
      document = Document();
      document.text = pending_.substr(0, length);
      pending_.erase(0, length);
      ++part_;
      document.id = part_ == 1 ? name_ : fmt::format("{}#{}", name_, part_);
      if (more && part_ == 1) {
        log_.Count("long text cut", name_, fmt::format("into documents of at most {} bytes", max_bytes_));
      }
      if (Clean(document)) return true;
    }
  }

 private:
  // Until there is a byte more than one document may hold, which tells that it has to be cut.
  void Fill() {
    while (!at_end_ && pending_.size() <= max_bytes_) {
      const size_t held = pending_.size();
      pending_.resize(held + kReadBytes);
      const size_t count = source_.Read(std::span(pending_).subspan(held));
      pending_.resize(held + count);
      at_end_ = count == 0;
    }
    if (part_ == 0) pending_.erase(0, ByteOrderMarkBytes(pending_, name_));
  }

  bool Clean(Document& document) {
    document.title = TitleOf(name_);
    NormalizeLineEnds(document.text);
    CleanText(document.text, document.id, log_);
    if (!IsBlank(document.text)) return true;
    log_.Add("empty text", document.id, "nothing but white space");
    return false;
  }

  ByteSource& source_;
  std::string name_;
  size_t max_bytes_;
  ProblemLog& log_;
  std::string pending_;
  bool at_end_ = false;
  uint64_t part_ = 0;
};

}  // namespace

std::unique_ptr<FileDocuments> ReadTextFile(ByteSource& source, const ReaderOptions& options, ProblemLog& log) {
  return std::make_unique<TextFile>(source, options, log);
}

}  // namespace retro
