// A reader's claim on a folder of files that a writer may want to remove: while anyone holds the lease of a file, a
// writer that asks first leaves the folder alone. By flock on a file that is there anyway, so that readers write
// nothing; the system gives the claim back when a process dies. Readers never wait.
#pragma once

#include <filesystem>
#include <optional>

#include "core/descriptor.h"

namespace retro {

// Held until destruction. On file systems that know no locks it is held by nobody and keeps nothing.
class FileLease {
 public:
  // Shared with other readers. Nothing when the file is not there or is just being removed. Throws Error(kIo).
  static std::optional<FileLease> Take(const std::filesystem::path& path);
  // For removing it. Nothing when the file is not there or a reader has its lease. Throws Error(kIo).
  static std::optional<FileLease> TakeAlone(const std::filesystem::path& path);

 private:
  explicit FileLease(Descriptor file) : file_(std::move(file)) {}
  static std::optional<FileLease> Take(const std::filesystem::path& path, int operation);

  Descriptor file_;
};

}  // namespace retro
