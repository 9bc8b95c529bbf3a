#include "core/file_lease.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "core/error.h"
#include "core/file_stamp.h"

namespace retro {

std::optional<FileLease> FileLease::Take(const std::filesystem::path& path) { return Take(path, LOCK_SH); }

std::optional<FileLease> FileLease::TakeAlone(const std::filesystem::path& path) { return Take(path, LOCK_EX); }

std::optional<FileLease> FileLease::Take(const std::filesystem::path& path, int operation) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    ThrowErrno(errno, "open", path.string());
  }
  while (::flock(file.number(), operation | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return std::nullopt;
    break;  // a file system without locks
  }
  // Between opening and locking it may have been removed.
  struct stat opened;
  if (::fstat(file.number(), &opened) != 0) ThrowErrno(errno, "examine", path.string());
  const auto named = FileStamp::Of(path);
  if (!named || named->device != opened.st_dev || named->inode != opened.st_ino) return std::nullopt;
  return FileLease(std::move(file));
}

}  // namespace retro
