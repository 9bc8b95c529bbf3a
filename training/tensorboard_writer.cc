#include "training/tensorboard_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/file.h"

namespace retro {
namespace {

constexpr std::array<uint32_t, 256> CrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
    table[i] = crc;
  }
  return table;
}

uint32_t MaskedCrc(std::string_view bytes) { return std::rotr(Crc32c(bytes), 15) + 0xA282EAD8u; }

template <typename T>
std::string Fixed(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

// The fields of protocol buffers: a key of number and wire type, then the value.
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
std::string Key(int field, WireType type) { return Varint(static_cast<uint64_t>(field) << 3 | type); }
std::string BytesField(int field, std::string_view bytes) {
  return Key(field, kBytes) + Varint(bytes.size()) + std::string(bytes);
}

// The field numbers of tensorflow's event.proto and summary.proto.
std::string EventHead(double wall_time, int64_t step) {
  return Key(1, kFixed64) + Fixed(wall_time) + Key(2, kVarint) + Varint(static_cast<uint64_t>(step));
}
std::string VersionEvent(double wall_time) {
  return Key(1, kFixed64) + Fixed(wall_time) + BytesField(3, "brain.Event:2");
}
std::string SessionStartEvent(double wall_time, int64_t step) {
  return EventHead(wall_time, step) + BytesField(7, Key(1, kVarint) + Varint(1));
}
std::string SummaryValue(const Scalar& scalar) {
  return BytesField(1, BytesField(1, scalar.tag) + Key(2, kFixed32) + Fixed(scalar.value));
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = CrcTable();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& folder, int64_t first_step, double wall_time) {
  MakeDirectories(folder);
  // A run that goes on within the same second gets a file of its own.
  for (int number = 0; file_.number() < 0; ++number) {
    path_ = folder / fmt::format("events.out.tfevents.{:010}.retro.{:03}", static_cast<int64_t>(wall_time), number);
    file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666));
    if (file_.number() < 0 && errno != EEXIST) ThrowErrno(errno, "create", path_.string());
  }
  Append(VersionEvent(wall_time));
  if (first_step > 0) Append(SessionStartEvent(wall_time, first_step));
}

void TensorboardWriter::Add(int64_t step, double wall_time, std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) summary += SummaryValue(scalar);
  Append(EventHead(wall_time, step) + BytesField(5, summary));
}

void TensorboardWriter::Append(std::string_view event) {
  const std::string length = Fixed(static_cast<uint64_t>(event.size()));
  const std::string record = length + Fixed(MaskedCrc(length)) + std::string(event) + Fixed(MaskedCrc(event));
  file_.WriteAll(std::as_bytes(std::span(record)), path_);
}

}  // namespace retro
