#include "core/descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.h"

namespace retro {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) ::close(number_);
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

Descriptor Descriptor::OpenForReading(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number_ < 0) ThrowErrno(errno, "open", path.string());
  struct stat info;
  if (::fstat(file.number_, &info) != 0) ThrowErrno(errno, "examine", path.string());
  if (S_ISDIR(info.st_mode)) Throw(ErrorCode::kIo, "{} is a folder; name a file", path.string());
  return file;
}

size_t Descriptor::Read(std::span<std::byte> buffer, const std::filesystem::path& path) const {
  size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t count = ::read(number_, buffer.data() + done, buffer.size() - done);
    if (count == 0) break;
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      ThrowErrno(errno, "read", path.string());
    }
  }
  return done;
}

void Descriptor::WriteAll(std::span<const std::byte> bytes, const std::filesystem::path& path) const {
  while (!bytes.empty()) {
    const ssize_t count = ::write(number_, bytes.data(), bytes.size());
    if (count > 0) {
      bytes = bytes.subspan(static_cast<size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      ThrowErrno(count == 0 ? ENOSPC : errno, "write", path.string());
    }
  }
}

void Descriptor::WriteAllAt(size_t offset, std::span<const std::byte> bytes, const std::filesystem::path& path) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(number_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count > 0) {
      bytes = bytes.subspan(static_cast<size_t>(count));
      offset += static_cast<size_t>(count);
    } else if (count == 0 || errno != EINTR) {
      ThrowErrno(count == 0 ? ENOSPC : errno, "write", path.string());
    }
  }
}

void Descriptor::Sync(const std::filesystem::path& path) const {
  while (::fsync(number_) != 0) {
    if (errno != EINTR) ThrowErrno(errno, "sync", path.string());
  }
}

void Descriptor::Close(const std::filesystem::path& path) {
  // After EINTR the descriptor is gone on Linux: closing it again could close another thread's file.
  if (::close(std::exchange(number_, -1)) != 0 && errno != EINTR) ThrowErrno(errno, "close", path.string());
}

}  // namespace retro
