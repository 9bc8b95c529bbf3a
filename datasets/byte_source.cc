#include "datasets/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <vector>

#include "core/error.h"

namespace retro {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr uint64_t kAlwaysAllowedBytes = uint64_t{1} << 30;
constexpr int kMaxWindowLog = 27;

class PlainSource final : public ByteSource {
 public:
  using ByteSource::ByteSource;
  size_t Read(std::span<char> out) override { return file_.Read(out); }
};

// What both packed forms share: a block of packed bytes, and the bound on what comes out.
class PackedSource : public ByteSource {
 public:
  PackedSource(const std::filesystem::path& path, size_t max_unpack_ratio)
      : ByteSource(path), max_unpack_ratio_(std::max<size_t>(max_unpack_ratio, 1)), block_(kBlockBytes) {}

 protected:
  // The next packed bytes; empty at the end of the file.
  std::span<char> NextBlock() { return std::span(block_).first(file_.Read(block_)); }

  void CountUnpacked(size_t bytes) {
    unpacked_ += bytes;
    if (unpacked_ <= kAlwaysAllowedBytes) return;
    const uint64_t packed = std::max(file_.file_bytes(), file_.bytes_read());
    if (unpacked_ / max_unpack_ratio_ > packed) {
      Throw(ErrorCode::kInvalidArgument,
            "{}: unpacks to more than {} times its {} bytes, which looks like a decompression bomb; if it is meant so, "
            "unpack it yourself and give the plain file",
            file_.name(), max_unpack_ratio_, packed);
    }
  }

  [[noreturn]] void ThrowTruncated() const {
    Throw(ErrorCode::kCorruption,
          "{}: ends in the middle of its compressed stream (after {} bytes); copy or download it again", file_.name(),
          file_.bytes_read());
  }

  [[noreturn]] void ThrowDamaged(const char* reason) const {
    Throw(ErrorCode::kCorruption, "{}: damaged compressed stream near byte {}: {}; copy or download it again",
          file_.name(), file_.bytes_read(), reason);
  }

 private:
  uint64_t max_unpack_ratio_, unpacked_ = 0;
  std::vector<char> block_;
};

class GzipSource final : public PackedSource {
 public:
  GzipSource(const std::filesystem::path& path, size_t max_unpack_ratio) : PackedSource(path, max_unpack_ratio) {
    constexpr int kGzipOnly = 15 + 16;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t Read(std::span<char> out) override {
    while (true) {
      if (stream_.avail_in == 0) Refill();
      if (!in_member_ && !StartMember()) return 0;
      const size_t produced = Inflate(out);
      if (produced > 0) {
        CountUnpacked(produced);
        return produced;
      }
      if (in_member_ && at_end_ && stream_.avail_in == 0) ThrowTruncated();
    }
  }

 private:
  void Refill() {
    const std::span<char> block = NextBlock();
    at_end_ = block.empty();
    stream_.next_in = reinterpret_cast<Bytef*>(block.data());
    stream_.avail_in = static_cast<uInt>(block.size());
  }

  // Between two members: false at the end of the file. Zeros may fill it up, as tape and block devices leave them.
  bool StartMember() {
    while (stream_.avail_in > 0 && *stream_.next_in == 0) {
      padded_ = true;
      ++stream_.next_in;
      if (--stream_.avail_in == 0) Refill();
    }
    if (stream_.avail_in == 0) return false;
    if (padded_) ThrowDamaged("bytes follow the padding after its last member");
    in_member_ = true;
    return true;
  }

  size_t Inflate(std::span<char> out) {
    const size_t room = std::min<size_t>(out.size(), std::numeric_limits<uInt>::max());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      in_member_ = false;
      inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      ThrowDamaged(stream_.msg != nullptr ? stream_.msg : zError(result));
    }
    return room - stream_.avail_out;
  }

  z_stream stream_{};
  bool in_member_ = true;  // an empty file is not a gzip file
  bool at_end_ = false;
  bool padded_ = false;
};

class ZstdSource final : public PackedSource {
 public:
  ZstdSource(const std::filesystem::path& path, size_t max_unpack_ratio)
      : PackedSource(path, max_unpack_ratio), context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  ~ZstdSource() override { ZSTD_freeDCtx(context_); }

  size_t Read(std::span<char> out) override {
    while (true) {
      if (input_.pos == input_.size) Refill();
      if (at_end_ && !in_frame_) return 0;
      const size_t produced = Decompress(out);
      if (produced > 0) {
        CountUnpacked(produced);
        return produced;
      }
      if (at_end_ && in_frame_) ThrowTruncated();
    }
  }

 private:
  void Refill() {
    const std::span<char> block = NextBlock();
    at_end_ = block.empty();
    input_ = {block.data(), block.size(), 0};
  }

  size_t Decompress(std::span<char> out) {
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const size_t result = ZSTD_decompressStream(context_, &output, &input_);
    if (!ZSTD_isError(result)) {
      in_frame_ = result != 0;
      return output.pos;
    }
    if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge) {
      Throw(ErrorCode::kInvalidArgument,
            "{}: needs a window of more than {} MiB to unpack; compress it again without --long or --ultra",
            file_.name(), (size_t{1} << kMaxWindowLog) >> 20);
    }
    ThrowDamaged(ZSTD_getErrorName(result));
  }

  ZSTD_DCtx* context_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  bool in_frame_ = true;  // an empty file is not a zstd file
  bool at_end_ = false;
};

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : name_(path == "-" ? "standard input" : path.string()) {
  descriptor_ = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) ThrowErrno(errno, "open", name_);
  struct stat status {};
  if (fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) file_bytes_ = static_cast<uint64_t>(status.st_size);
  posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

size_t InputFile::Read(std::span<char> out) {
  ssize_t count;
  do {
    count = read(descriptor_, out.data(), out.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) ThrowErrno(errno, "read", name_);
  bytes_read_ += static_cast<uint64_t>(count);
  hasher_.Update(std::string_view(out.data(), static_cast<size_t>(count)));
  return static_cast<size_t>(count);
}

std::unique_ptr<ByteSource> OpenByteSource(const std::filesystem::path& path, size_t max_unpack_ratio) {
  if (path.extension() == ".gz") return std::make_unique<GzipSource>(path, max_unpack_ratio);
  if (path.extension() == ".zst") return std::make_unique<ZstdSource>(path, max_unpack_ratio);
  return std::make_unique<PlainSource>(path);
}

}  // namespace retro
