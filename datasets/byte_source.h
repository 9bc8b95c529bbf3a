// The bytes of one input file, unpacked on the way (.gz, .zst), in bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/hash.h"

namespace retro {

// A file read from its start to its end, with the size and hash of what was read. One thread at a time.
class InputFile {
 public:
  // "-": standard input. Throws Error(kNotFound, kIo).
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // 0 at the end only. Throws Error(kIo).
  size_t Read(std::span<char> out);

  const std::string& name() const { return name_; }
  uint64_t bytes_read() const { return bytes_read_; }
  std::string hash() const { return hasher_.HexDigest(); }
  uint64_t file_bytes() const { return file_bytes_; }  // as the system says; 0 for a pipe

 private:
  std::string name_;
  int descriptor_ = -1;
  uint64_t bytes_read_ = 0, file_bytes_ = 0;
  Hasher hasher_;
};

// The unpacked bytes of an input file. One thread at a time.
class ByteSource {
 public:
  explicit ByteSource(const std::filesystem::path& path) : file_(path) {}
  virtual ~ByteSource() = default;

  // Fills `out` from its start and returns how many bytes; 0 at the end only. Throws Error: kCorruption when a packed
  // stream is damaged or ends early, kInvalidArgument when it unpacks beyond its bound, kIo.
  // REQUIRES: !out.empty()
  virtual size_t Read(std::span<char> out) = 0;

  const InputFile& file() const { return file_; }

 protected:
  InputFile file_;
};

// Packed as the end of the name says: ".gz" (one member or several), ".zst" (frames with a window of up to 128 MiB),
// else plain. A packed file may unpack to `max_unpack_ratio` times its size or 1 GiB, whichever is more.
std::unique_ptr<ByteSource> OpenByteSource(const std::filesystem::path& path, size_t max_unpack_ratio);

}  // namespace retro
