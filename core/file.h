// Files read as a map, and files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace retro {

// A whole file mapped read-only. Cheap to move. Const methods are safe from many threads.
// A file that is cut short while mapped gives SIGBUS on access: databases are immutable while open.
class MappedFile {
 public:
  enum class Access { kSequential, kRandom };

  // Throws Error(kNotFound, kIo). An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path, Access access = Access::kRandom);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Writes to PATH.tmp beside `path` (the target, where `path` is a link); Finish() syncs it, renames it into place and
// syncs the folder. Destroyed without Finish(), it removes the temporary and leaves what was at `path` as it was; a
// temporary that a killed process left is overwritten. One thread at a time.
class AtomicFile {
 public:
  // Throws Error(kIo; kNotFound when the folder is missing; kUnavailable when another writer is at this path).
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  void Append(std::span<const std::byte> bytes);  // Throws Error(kIo), e.g. when the disk is full
  void Append(std::string_view text);
  void WriteAt(size_t offset, std::span<const std::byte> bytes);  // REQUIRES: the range was appended before
  size_t size() const;
  // Throws Error(kIo); then `path` is unchanged, unless only the last step failed, the sync of the folder.
  void Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The whole file (or pipe). Throws Error(kNotFound, kIo), and kInvalidArgument when it is larger than `max_bytes`.
std::string ReadFile(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 30);

void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);

// Makes renames and new names in `folder` durable. Throws Error(kIo).
void SyncDirectory(const std::filesystem::path& folder);

// Makes `folder` and its parents where missing, and their names durable. Throws Error(kIo) naming the path.
void MakeDirectories(const std::filesystem::path& folder);

// An exclusive advisory lock on `path` (made if missing), so that two jobs do not write one folder. Released on
// destruction and when the process dies. Throws Error(kUnavailable) when another process holds it.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace retro
