// A POSIX file descriptor that closes itself, with the retries that the system calls want.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

namespace retro {

// One thread at a time, except that reading and writing at offsets need no order. `path` is only for messages.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;

  // Throws Error(kNotFound, kIo); a folder is refused here, since reading it would fail with less to go by.
  static Descriptor OpenForReading(const std::filesystem::path& path);

  int number() const { return number_; }
  int Release() { return std::exchange(number_, -1); }  // the caller closes it

  // Fills `buffer` as far as the file goes on; 0 only at its end. Throws Error(kIo).
  size_t Read(std::span<std::byte> buffer, const std::filesystem::path& path) const;
  void WriteAll(std::span<const std::byte> bytes, const std::filesystem::path& path) const;
  void WriteAllAt(size_t offset, std::span<const std::byte> bytes, const std::filesystem::path& path) const;
  void Sync(const std::filesystem::path& path) const;
  // Closing can report a failed write (network file systems, quotas), hence a step of its own.
  void Close(const std::filesystem::path& path);

 private:
  int number_ = -1;
};

}  // namespace retro
