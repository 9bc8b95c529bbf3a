#include "tests/testing/fault_injection.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <mutex>
#include <string_view>

namespace retro {
namespace {

using Call = Fault::Call;
using Kind = Fault::Kind;

// Of one call: what it has to do instead.
enum class Verdict { kGoOn, kFail, kHalf };

class Faults {
 public:
  void Set(const Fault& fault) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    report_ = {};
    rest_fails_ = false;
    active_ = fault.call != Call::kNone;
  }

  FaultReport Clear() {
    active_ = false;
    const std::lock_guard lock(mutex_);
    return report_;
  }

  bool active() const { return active_; }

  Verdict Judge(Call call, std::string_view path) {
    const std::lock_guard lock(mutex_);
    if (!path.starts_with(fault_.folder)) return Verdict::kGoOn;
    if (rest_fails_ && call == Call::kWrite && path == report_.path) {  // the second half of a short write
      rest_fails_ = false;
      errno = ENOSPC;
      return Verdict::kFail;
    }
    const bool is_full = fault_.kind == Kind::kFullDisk && !report_.path.empty();
    if (is_full && (call == Call::kWrite || call == Call::kOpen)) {
      errno = ENOSPC;
      return Verdict::kFail;
    }
    if (call != fault_.call || ++report_.calls != fault_.number) return Verdict::kGoOn;
    report_.path = path;
    errno = fault_.kind == Kind::kIoError ? EIO : ENOSPC;
    rest_fails_ = fault_.kind == Kind::kShortWrite && call == Call::kWrite;
    return rest_fails_ ? Verdict::kHalf : Verdict::kFail;
  }

 private:
  std::atomic<bool> active_{false};
  std::mutex mutex_;
  Fault fault_;
  FaultReport report_;
  bool rest_fails_ = false;
};

Faults& TheFaults() {
  static Faults* const faults = new Faults;  // never destroyed: files are closed until the process has ended
  return *faults;
}

std::string PathOf(int descriptor) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof(path));
  return length < 0 ? "" : std::string(path, static_cast<size_t>(length));
}

std::string AbsolutePath(const char* path) {
  char folder[PATH_MAX];
  if (path[0] == '/' || ::getcwd(folder, sizeof(folder)) == nullptr) return path;
  return std::string(folder) + "/" + path;
}

Verdict JudgeDescriptor(Call call, int descriptor) {
  return TheFaults().active() ? TheFaults().Judge(call, PathOf(descriptor)) : Verdict::kGoOn;
}

bool FailsAt(Call call, const char* path) {
  return TheFaults().active() && TheFaults().Judge(call, AbsolutePath(path)) != Verdict::kGoOn;
}

bool IsForWriting(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0; }

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

// The function of this name that ours stands before.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

using WriteFunction = ssize_t(int, const void*, size_t);
using WriteAtFunction = ssize_t(int, const void*, size_t, off64_t);
using DescriptorFunction = int(int);
using OpenFunction = int(const char*, int, ...);
using OpenAtFunction = int(int, const char*, int, ...);
using OpenStreamFunction = FILE*(const char*, const char*);

ssize_t WriteAt(const char* name, int descriptor, const void* bytes, size_t count, off64_t offset) {
  const Verdict verdict = JudgeDescriptor(Call::kWrite, descriptor);
  if (verdict == Verdict::kFail) return -1;
  return Next<WriteAtFunction>(name)(descriptor, bytes, verdict == Verdict::kHalf ? (count + 1) / 2 : count, offset);
}

int Sync(const char* name, int descriptor) {
  if (JudgeDescriptor(Call::kSync, descriptor) != Verdict::kGoOn) return -1;
  return Next<DescriptorFunction>(name)(descriptor);
}

int Open(const char* name, const char* path, int flags, mode_t mode) {
  if (IsForWriting(flags) && FailsAt(Call::kOpen, path)) return -1;
  return Next<OpenFunction>(name)(path, flags, mode);
}

FILE* OpenStream(const char* name, const char* path, const char* mode) {
  const bool reads_only = std::string_view(mode).find_first_of("wa+") == std::string_view::npos;
  if (!reads_only && FailsAt(Call::kOpen, path)) return nullptr;
  return Next<OpenStreamFunction>(name)(path, mode);
}

}  // namespace

void SetFault(const Fault& fault) { TheFaults().Set(fault); }
FaultReport ClearFault() { return TheFaults().Clear(); }

}  // namespace retro

extern "C" {

using retro::Fault;

ssize_t write(int descriptor, const void* bytes, size_t count) {
  static auto* const next = retro::Next<retro::WriteFunction>("write");
  const auto verdict = retro::JudgeDescriptor(Fault::Call::kWrite, descriptor);
  if (verdict == retro::Verdict::kFail) return -1;
  return next(descriptor, bytes, verdict == retro::Verdict::kHalf ? (count + 1) / 2 : count);
}

ssize_t writev(int descriptor, const struct iovec* parts, int count) {
  static auto* const next = retro::Next<ssize_t(int, const struct iovec*, int)>("writev");
  const auto verdict = retro::JudgeDescriptor(Fault::Call::kWrite, descriptor);
  if (verdict == retro::Verdict::kFail) return -1;
  return next(descriptor, parts, verdict == retro::Verdict::kHalf ? (count + 1) / 2 : count);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  return retro::WriteAt("pwrite", descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t count, off64_t offset) {
  return retro::WriteAt("pwrite64", descriptor, bytes, count, offset);
}

int fsync(int descriptor) { return retro::Sync("fsync", descriptor); }
int fdatasync(int descriptor) { return retro::Sync("fdatasync", descriptor); }

int rename(const char* from, const char* to) noexcept {
  if (retro::FailsAt(Fault::Call::kRename, to)) return -1;
  return retro::Next<int(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  if (retro::FailsAt(Fault::Call::kRename, to)) return -1;
  return retro::Next<int(int, const char*, int, const char*, unsigned)>("renameat2")(from_folder, from, to_folder, to,
                                                                                     flags);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (retro::FailsAt(Fault::Call::kOpen, path)) return -1;
  return retro::Next<int(const char*, mode_t)>("mkdir")(path, mode);
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = retro::ModeOf(flags, arguments);
  va_end(arguments);
  return retro::Open("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = retro::ModeOf(flags, arguments);
  va_end(arguments);
  return retro::Open("open64", path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = retro::ModeOf(flags, arguments);
  va_end(arguments);
  if (retro::IsForWriting(flags) && retro::FailsAt(Fault::Call::kOpen, path)) return -1;
  return retro::Next<retro::OpenAtFunction>("openat")(folder, path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) { return retro::OpenStream("fopen", path, mode); }
FILE* fopen64(const char* path, const char* mode) { return retro::OpenStream("fopen64", path, mode); }

}  // extern "C"
