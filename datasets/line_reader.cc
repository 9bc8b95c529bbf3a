#include "datasets/line_reader.h"

#include <algorithm>
#include <cstring>

namespace retro {
namespace {

constexpr size_t kFirstBufferBytes = size_t{256} << 10;

}  // namespace

LineReader::LineReader(ByteSource& source, size_t max_line_bytes)
    : source_(source), max_line_bytes_(max_line_bytes), buffer_(kFirstBufferBytes + kPadding) {}

LineReader::Status LineReader::Next(std::span<char>& line) {
  size_t scanned = 0;
  while (true) {
    char* const start = buffer_.data() + begin_;
    const size_t available = end_ - begin_;
    const auto* newline = static_cast<char*>(std::memchr(start + scanned, '\n', available - scanned));
    const size_t length = newline != nullptr ? static_cast<size_t>(newline - start) : available;
    if (length > max_line_bytes_) {
      PassOver();
      return Status::kTooLong;
    }
    if (newline != nullptr) {
      line = {start, length};
      begin_ += length + 1;
      ++line_number_;
      return Status::kLine;
    }
    scanned = available;
    if (Fill()) continue;
    if (available == 0) return Status::kEnd;
    line = {buffer_.data() + begin_, available};
    begin_ = end_;
    ++line_number_;
    return Status::kLine;
  }
}

// Reads more behind what is there; false at the end of the source.
bool LineReader::Fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + kPadding == buffer_.size()) {
    buffer_.resize(std::min(2 * end_, max_line_bytes_ + kFirstBufferBytes) + kPadding);
  }
  const size_t count = source_.Read(std::span(buffer_).subspan(end_, buffer_.size() - kPadding - end_));
  end_ += count;
  return count > 0;
}

void LineReader::PassOver() {
  ++line_number_;
  do {
    char* const start = buffer_.data() + begin_;
    const auto* newline = static_cast<char*>(std::memchr(start, '\n', end_ - begin_));
    if (newline != nullptr) {
      begin_ += static_cast<size_t>(newline - start) + 1;
      return;
    }
    begin_ = end_;
  } while (Fill());
}

}  // namespace retro
