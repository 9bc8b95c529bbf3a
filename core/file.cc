#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/mapped_memory.h"

namespace retro {

namespace fs = std::filesystem;

MappedFile::MappedFile(const fs::path& path, Access access) : path_(path) {
  const Descriptor file = Descriptor::OpenForReading(path);
  struct stat info;
  if (::fstat(file.number(), &info) != 0) ThrowErrno(errno, "examine", path.string());
  if (!S_ISREG(info.st_mode)) {
    Throw(ErrorCode::kIo, "{} is not a regular file and cannot be mapped; copy it into one first", path.string());
  }
  if (info.st_size == 0) return;  // mmap refuses an empty range
  void* data = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file.number(), 0);
  if (data == MAP_FAILED) ThrowErrno(errno, "map", path.string());
  data_ = static_cast<const std::byte*>(data);
  size_ = static_cast<size_t>(info.st_size);
  AddMappedRange(data, size_);
  ::madvise(data, size_, access == Access::kSequential ? MADV_SEQUENTIAL : MADV_RANDOM);  // only a hint
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  RemoveMappedRange(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, size_t{0})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

namespace {

[[noreturn]] void ThrowTooLarge(const fs::path& path, size_t max_bytes) {
  Throw(ErrorCode::kInvalidArgument, "{} is larger than the {} bytes that are read at once; give a smaller file",
        path.string(), max_bytes);
}

}  // namespace

std::string ReadFile(const fs::path& path, size_t max_bytes) {
  const Descriptor file = Descriptor::OpenForReading(path);
  struct stat info;
  if (::fstat(file.number(), &info) != 0) ThrowErrno(errno, "examine", path.string());
  std::string text;
  // The size is only a guess: pipes and /proc say 0, and a file may grow meanwhile. One byte more, so that the first
  // read meets the end of a file that keeps its size.
  size_t step = std::max<size_t>(static_cast<size_t>(info.st_size), 4095) + 1;
  if (S_ISREG(info.st_mode) && static_cast<size_t>(info.st_size) > max_bytes) ThrowTooLarge(path, max_bytes);
  for (;;) {
    const size_t done = text.size();
    text.resize(done + step);
    const size_t count = file.Read(std::as_writable_bytes(std::span(text)).subspan(done), path);
    text.resize(done + count);
    if (text.size() > max_bytes) ThrowTooLarge(path, max_bytes);
    if (count < step) return text;
    step = text.size();
  }
}

void WriteFileAtomically(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.Append(bytes);
  file.Finish();
}

void SyncDirectory(const fs::path& folder) {
  const fs::path named = folder.empty() ? fs::path(".") : folder;
  const Descriptor directory(::open(named.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0) ThrowErrno(errno, "open the folder", named.string());
  directory.Sync(named);
}

void MakeDirectories(const fs::path& folder) {
  if (folder.empty()) Throw(ErrorCode::kInvalidArgument, "the name of the folder to make is empty; give one");
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path at = folder.lexically_normal(); !at.empty() && !fs::exists(at, error); at = at.parent_path()) {
    if (at.has_filename()) missing.push_back(at);
  }
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    fs::create_directory(*at, error);
    if (error) ThrowErrno(error.value(), "make the folder", at->string());
    SyncDirectory(at->parent_path());
  }
  if (!fs::is_directory(folder, error)) {
    Throw(ErrorCode::kIo, "cannot make the folder {}: a file is in its place; name another folder", folder.string());
  }
}

FileLock::FileLock(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.number() < 0) ThrowErrno(errno, "open the lock file", path.string());
  while (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) ThrowErrno(errno, "lock", path.string());
    Throw(ErrorCode::kUnavailable, "{} is locked: another job is writing this folder; wait until it has ended",
          path.string());
  }
  descriptor_ = file.Release();
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace retro
