#include "core/file_stamp.h"

#include <sys/stat.h>

#include <cerrno>

#include "core/error.h"

namespace retro {

std::optional<FileStamp> FileStamp::Of(const std::filesystem::path& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    ThrowErrno(errno, "examine", path.string());
  }
  constexpr int64_t kNanoseconds = 1'000'000'000;
  return FileStamp{info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size),
                   info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec};
}

}  // namespace retro
