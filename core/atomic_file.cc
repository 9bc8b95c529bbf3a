// AtomicFile: the temporary is NAME.tmp beside the file and locked while it is written, so two writers of one file
// cannot mix their bytes, and what a killed process left behind is overwritten by the next run instead of piling up.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/file.h"

namespace retro {

namespace fs = std::filesystem;

namespace {

constexpr size_t kBufferBytes = size_t{1} << 18;

// The file that `path` stands for: a link's target is replaced, not the link. Devices and pipes cannot be replaced.
fs::path ResolveTarget(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return path;
  if (!fs::is_regular_file(status)) {
    Throw(ErrorCode::kIo, "cannot write {}: something that is not a regular file is in its place; name another file",
          path.string());
  }
  const fs::path target = fs::canonical(path, error);
  return error ? path : target;
}

bool IsStillAt(const Descriptor& file, const fs::path& path) {
  struct stat opened, named;
  return ::fstat(file.number(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

Descriptor OpenTemporary(const fs::path& path) {
  for (;;) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (file.number() < 0) ThrowErrno(errno, "create", path.string());
    // File systems without locks give other errors; there the folder's own lock has to do.
    if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      Throw(ErrorCode::kUnavailable, "{} is being written by another job; wait until it has ended", path.string());
    }
    if (!IsStillAt(file, path)) continue;  // its writer renamed it just now
    if (::ftruncate(file.number(), 0) != 0) ThrowErrno(errno, "empty", path.string());
    return file;
  }
}

}  // namespace

struct AtomicFile::State {
  fs::path path, temporary;
  Descriptor file;
  std::vector<std::byte> buffer;  // appended, not yet written
  size_t written = 0;             // bytes of the temporary
  bool open = true;               // neither finished nor failed

  explicit State(const fs::path& target) : path(ResolveTarget(target)), temporary(path) {
    temporary += ".tmp";
    file = OpenTemporary(temporary);
    buffer.reserve(kBufferBytes);
  }

  ~State() {
    if (file.number() >= 0) ::unlink(temporary.c_str());  // before the lock goes with the descriptor
  }

  void RequireOpen() const {
    if (!open) Throw(ErrorCode::kInternal, "{} is written after its end or after a failed write", path.string());
  }

  // `open` stays false when the write throws, so that a caller who goes on cannot publish a file with a hole.
  void Write(std::span<const std::byte> bytes) {
    open = false;
    file.WriteAll(bytes, path);
    written += bytes.size();
    open = true;
  }

  void Flush() {
    Write(buffer);
    buffer.clear();
  }
};

AtomicFile::AtomicFile(const fs::path& path) : state_(std::make_unique<State>(path)) {}
AtomicFile::~AtomicFile() = default;
AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;

void AtomicFile::Append(std::span<const std::byte> bytes) {
  state_->RequireOpen();
  if (state_->buffer.size() + bytes.size() > kBufferBytes) state_->Flush();
  if (bytes.size() >= kBufferBytes) return state_->Write(bytes);
  state_->buffer.insert(state_->buffer.end(), bytes.begin(), bytes.end());
}

void AtomicFile::Append(std::string_view text) { Append(std::as_bytes(std::span(text))); }

void AtomicFile::WriteAt(size_t offset, std::span<const std::byte> bytes) {
  state_->RequireOpen();
  if (offset > size() || bytes.size() > size() - offset) {
    Throw(ErrorCode::kInternal, "{}: bytes {} to {} rewritten in a file of {} bytes", state_->path.string(), offset,
          offset + bytes.size(), size());
  }
  state_->Flush();
  state_->open = false;
  state_->file.WriteAllAt(offset, bytes, state_->path);
  state_->open = true;
}

size_t AtomicFile::size() const { return state_->written + state_->buffer.size(); }

void AtomicFile::Finish() {
  State& state = *state_;
  state.RequireOpen();
  state.Flush();
  state.open = false;
  state.file.Sync(state.path);
  if (std::rename(state.temporary.c_str(), state.path.c_str()) != 0)
    ThrowErrno(errno, "rename to", state.path.string());
  // From here on the name is the file's own: the destructor must not remove it.
  state.file.Close(state.path);
  SyncDirectory(state.path.parent_path());
}

}  // namespace retro
