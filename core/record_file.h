// Checksummed files of fixed-size records: the form of every array that retro keeps on disk. Layout: docs/formats.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"

namespace retro {

// What a record file holds. `kind` has 1 to 15 ASCII characters, is written into the header, and must live as long as
// the reader or writer (use a literal).
struct RecordFormat {
  std::string_view kind;
  uint32_t version = 1;
  uint32_t record_bytes = 0;
};

// Appends records, then publishes the file with Finish(); without it nothing appears. One thread at a time.
class RecordFileWriter {
 public:
  RecordFileWriter(const std::filesystem::path& path, const RecordFormat& format);

  // REQUIRES: bytes.size() is a multiple of the record size.
  void Append(std::span<const std::byte> bytes);

  template <typename T>
  void Append(std::span<const T> records) {
    Append(std::as_bytes(records));
  }

  uint64_t num_records() const { return num_records_; }
  void Finish();

 private:
  AtomicFile file_;
  Hasher hasher_;
  RecordFormat format_;
  uint64_t num_records_ = 0;
};

// A mapped record file. Const methods are safe from many threads; spans live as long as this object.
class RecordFile {
 public:
  // Checks magic, kind, version, record size and that count and file size agree, and throws Error(kCorruption)
  // naming the file and the field otherwise. The checksum is read only by VerifyChecksum().
  RecordFile(const std::filesystem::path& path, const RecordFormat& format);

  uint64_t num_records() const { return num_records_; }
  std::span<const std::byte> payload() const;

  template <typename T>
  std::span<const T> Records() const {
    if (sizeof(T) != format_.record_bytes && format_.record_bytes % sizeof(T) != 0) {
      Throw(ErrorCode::kInternal, "{}: records of {} bytes read as {}", file_.path().string(), format_.record_bytes,
            sizeof(T));
    }
    const auto bytes = payload();
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  // Reads the whole file. Throws Error(kCorruption) when a bit differs.
  void VerifyChecksum() const;

 private:
  MappedFile file_;
  RecordFormat format_;
  uint64_t num_records_ = 0;
};

}  // namespace retro
