#include "core/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>
#include <vector>

#include "core/descriptor.h"

namespace retro {

namespace {

std::string Hex(uint64_t digest) { return fmt::format("{:016x}", digest); }

}  // namespace

struct Hasher::State {
  State() : xxh(XXH3_createState()) {
    if (xxh == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(xxh);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* xxh;  // owned
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(std::span<const std::byte> bytes) { XXH3_64bits_update(state_->xxh, bytes.data(), bytes.size()); }

void Hasher::Update(std::string_view text) { XXH3_64bits_update(state_->xxh, text.data(), text.size()); }

uint64_t Hasher::Digest() const { return XXH3_64bits_digest(state_->xxh); }

std::string Hasher::HexDigest() const { return Hex(Digest()); }

uint64_t HashBytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string HashHex(std::string_view bytes) { return Hex(HashBytes(bytes)); }

std::string HashFile(const std::filesystem::path& path) {
  constexpr size_t kBufferBytes = size_t{1} << 20;
  const Descriptor file = Descriptor::OpenForReading(path);
  std::vector<std::byte> buffer(kBufferBytes);
  Hasher hasher;
  while (const size_t count = file.Read(buffer, path)) hasher.Update(std::span(buffer).first(count));
  return hasher.HexDigest();
}

}  // namespace retro
