// XXH3 checksums: fast, for finding damage and telling contents apart; not for defence against an attacker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace retro {

// Streaming XXH3-64. One thread at a time.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Update(std::span<const std::byte> bytes);
  void Update(std::string_view text);
  uint64_t Digest() const;
  std::string HexDigest() const;  // 16 lower-case hexadecimal digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

uint64_t HashBytes(std::string_view bytes);
std::string HashHex(std::string_view bytes);

// The XXH3-64 of a whole file as 16 hexadecimal digits. Throws Error(kNotFound or kIo).
std::string HashFile(const std::filesystem::path& path);

}  // namespace retro
