// Layout, all numbers little-endian:
//   0   8  magic "RETROREC"
//   8  16  kind, ASCII, filled up with zeros
//   24  4  version
//   28  4  bytes of a record
//   32  8  number of records
//   40 24  zeros
//   64     the records
//   end 8  XXH3-64 of the records followed by the 64 header bytes (the count is known last, the file read once)
#include "core/record_file.h"

#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace retro {

static_assert(std::endian::native == std::endian::little, "records are written as they lie in memory");

namespace {

constexpr size_t kHeaderBytes = 64;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kKindOffset = 8;
constexpr size_t kKindBytes = 16;
constexpr std::string_view kMagic = "RETROREC";

using HeaderBytes = std::array<std::byte, kHeaderBytes>;

template <typename T>
void Put(HeaderBytes& header, size_t offset, T value) {
  std::memcpy(header.data() + offset, &value, sizeof value);
}

template <typename T>
T Get(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void CheckFormat(const RecordFormat& format) {
  if (format.kind.empty() || format.kind.size() >= kKindBytes || format.record_bytes == 0) {
    Throw(ErrorCode::kInternal, "a record format needs a kind of 1 to 15 letters and a record size: '{}', {} bytes",
          format.kind, format.record_bytes);
  }
}

HeaderBytes MakeHeader(const RecordFormat& format, uint64_t num_records) {
  HeaderBytes header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  std::memcpy(header.data() + kKindOffset, format.kind.data(), format.kind.size());
  Put(header, 24, format.version);
  Put(header, 28, format.record_bytes);
  Put(header, 32, num_records);
  return header;
}

[[noreturn]] void Refuse(const MappedFile& file, std::string_view what) {
  Throw(ErrorCode::kCorruption, "{}: {}; restore the file or build it again", file.path().string(), what);
}

// The kind as written, for a message: without the zeros, and without bytes that a terminal would act on.
std::string ReadableKind(std::span<const std::byte> header) {
  std::string kind(AsText(header.subspan(kKindOffset, kKindBytes)));
  kind.resize(std::strlen(kind.c_str()));
  for (char& c : kind) {
    if (c < ' ' || c > '~') c = '?';
  }
  return kind;
}

void CheckHeader(const MappedFile& file, const RecordFormat& format) {
  const auto bytes = file.bytes();
  if (bytes.size() < kHeaderBytes + kChecksumBytes) {
    Refuse(file, fmt::format("{} bytes are too few for a record file (cut short?)", bytes.size()));
  }
  if (AsText(bytes.first(kMagic.size())) != kMagic) Refuse(file, "the magic number is not that of a record file");
  const HeaderBytes wanted = MakeHeader(format, 0);
  if (std::memcmp(bytes.data() + kKindOffset, wanted.data() + kKindOffset, kKindBytes) != 0) {
    Refuse(file, fmt::format("its kind is '{}', not '{}'", ReadableKind(bytes), format.kind));
  }
  if (const auto version = Get<uint32_t>(bytes, 24); version != format.version) {
    Refuse(file, fmt::format("its version is {}, this program reads version {}", version, format.version));
  }
  if (const auto record_bytes = Get<uint32_t>(bytes, 28); record_bytes != format.record_bytes) {
    Refuse(file, fmt::format("its record size is {} bytes, not {}", record_bytes, format.record_bytes));
  }
  if (std::memcmp(bytes.data() + 40, wanted.data() + 40, kHeaderBytes - 40) != 0) {
    Refuse(file, "the reserved part of the header is not zero");
  }
}

// The count, once it agrees with the file size. Division, since count times size may overflow in a damaged file.
uint64_t CheckedCount(const MappedFile& file, const RecordFormat& format) {
  const auto count = Get<uint64_t>(file.bytes(), 32);
  const uint64_t payload_bytes = file.bytes().size() - kHeaderBytes - kChecksumBytes;
  if (payload_bytes % format.record_bytes != 0 || payload_bytes / format.record_bytes != count) {
    Refuse(file, fmt::format("its count is {} records of {} bytes, but {} bytes are there (cut short?)", count,
                             format.record_bytes, payload_bytes));
  }
  return count;
}

}  // namespace

RecordFileWriter::RecordFileWriter(const std::filesystem::path& path, const RecordFormat& format)
    : file_(path), format_(format) {
  CheckFormat(format);
  file_.Append(MakeHeader(format, 0));
}

void RecordFileWriter::Append(std::span<const std::byte> bytes) {
  if (bytes.size() % format_.record_bytes != 0) {
    Throw(ErrorCode::kInternal, "{} bytes appended to a file of '{}' records of {} bytes", bytes.size(), format_.kind,
          format_.record_bytes);
  }
  file_.Append(bytes);
  hasher_.Update(bytes);
  num_records_ += bytes.size() / format_.record_bytes;
}

void RecordFileWriter::Finish() {
  const HeaderBytes header = MakeHeader(format_, num_records_);
  hasher_.Update(header);
  const uint64_t checksum = hasher_.Digest();
  file_.WriteAt(0, header);
  file_.Append(std::as_bytes(std::span(&checksum, 1)));
  file_.Finish();
}

RecordFile::RecordFile(const std::filesystem::path& path, const RecordFormat& format) : file_(path), format_(format) {
  CheckFormat(format);
  CheckHeader(file_, format);
  num_records_ = CheckedCount(file_, format);
}

std::span<const std::byte> RecordFile::payload() const {
  return file_.bytes().subspan(kHeaderBytes, file_.bytes().size() - kHeaderBytes - kChecksumBytes);
}

void RecordFile::VerifyChecksum() const {
  const auto bytes = file_.bytes();
  Hasher hasher;
  hasher.Update(payload());
  hasher.Update(bytes.first(kHeaderBytes));
  if (hasher.Digest() != Get<uint64_t>(bytes, bytes.size() - kChecksumBytes)) {
    Refuse(file_, "its checksum disagrees with its content");
  }
}

}  // namespace retro
