// Which file is at a path: cheap to ask (one system call), to see whether a file was replaced by another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace retro {

// A plain value. A file that is replaced atomically gets another stamp; one written in place nearly always does.
struct FileStamp {
  uint64_t device = 0, inode = 0, bytes = 0;
  int64_t changed_ns = 0;  // time of the last change of content

  // Nothing when there is no file. Throws Error(kIo).
  static std::optional<FileStamp> Of(const std::filesystem::path& path);

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

}  // namespace retro
