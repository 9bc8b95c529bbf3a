// Lines of a byte source in bounded memory: a line that is too long is passed over while it streams by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "datasets/byte_source.h"

namespace retro {

// One thread at a time. `source` must outlive it.
class LineReader {
 public:
  // This many bytes behind a line can be read (their value is of no meaning), as simdjson wants.
  static constexpr size_t kPadding = 64;

  enum class Status { kEnd, kLine, kTooLong };

  LineReader(ByteSource& source, size_t max_line_bytes);

  // Sets `line` to the next one without its "\n" ("\r\n" keeps the "\r"). It lies in the reader's buffer, may be
  // changed in place, and is valid until the next call. kTooLong: it was passed over,
  // and `line` is as it was.
  Status Next(std::span<char>& line);

  uint64_t line_number() const { return line_number_; }  // of the last line, from 1
  size_t buffer_bytes() const { return buffer_.size(); }

 private:
  bool Fill();
  void PassOver();

  ByteSource& source_;
  size_t max_line_bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // what is read and not yet handed out
  uint64_t line_number_ = 0;
};

}  // namespace retro
