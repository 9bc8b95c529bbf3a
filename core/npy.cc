#include "core/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "core/error.h"

namespace retro {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
// Data begins at a multiple of this many bytes.
constexpr size_t kAlignment = 64;

[[noreturn]] void ThrowDamaged(const std::filesystem::path& path, std::string_view what) {
  Throw(ErrorCode::kCorruption, "{} is not a whole .npy file: {}", path.string(), what);
}

// The text after 'KEY': in the header, a Python dictionary.
std::string_view HeaderValue(const std::filesystem::path& path, std::string_view header, std::string_view key) {
  const size_t found = header.find(fmt::format("'{}':", key));
  if (found == std::string_view::npos) ThrowDamaged(path, fmt::format("its header has no '{}'", key));
  std::string_view value = header.substr(found + key.size() + 3);
  return value.substr(std::min(value.find_first_not_of(' '), value.size()));
}

// "(100, 384)" or "(384,)"
std::vector<uint64_t> ParseShape(const std::filesystem::path& path, std::string_view text) {
  const size_t end = text.find(')');
  if (!text.starts_with('(') || end == std::string_view::npos) ThrowDamaged(path, "its shape is not a tuple");
  text = text.substr(1, end - 1);
  std::vector<uint64_t> shape;
  while (!text.empty()) {
    uint64_t extent = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc()) ThrowDamaged(path, "its shape has something else than numbers");
    shape.push_back(extent);
    text.remove_prefix(rest - text.data());
    text.remove_prefix(std::min(text.find_first_not_of(", "), text.size()));
  }
  return shape;
}

struct Header {
  std::string_view dictionary;
  size_t data_offset = 0;
};

Header ReadHeader(const std::filesystem::path& path, std::string_view file) {
  if (file.size() < 10 || !file.starts_with(kMagic)) ThrowDamaged(path, "it does not begin as one");
  const uint8_t version = file[6];
  if (version < 1 || version > 3) {
    Throw(ErrorCode::kInvalidArgument, "{}: .npy version {} is newer than 3", path.string(), version);
  }
  const size_t length_bytes = version == 1 ? 2 : 4;
  uint32_t length = 0;
  if (file.size() < 8 + length_bytes) ThrowDamaged(path, "its header is cut short");
  std::memcpy(&length, file.data() + 8, length_bytes);
  const size_t offset = 8 + length_bytes + length;
  if (offset > file.size()) ThrowDamaged(path, "its header is cut short");
  return {file.substr(8 + length_bytes, length), offset};
}

}  // namespace

NpyFile::NpyFile(const std::filesystem::path& path) : file_(path, MappedFile::Access::kSequential) {
  const std::string_view file(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
  const Header header = ReadHeader(path, file);
  data_offset_ = header.data_offset;
  if (!HeaderValue(path, header.dictionary, "descr").starts_with("'<f4'") ||
      !HeaderValue(path, header.dictionary, "fortran_order").starts_with("False")) {
    Throw(ErrorCode::kInvalidArgument, "{}: save it as little-endian float32 in C order: np.save(f, x.astype('<f4'))",
          path.string());
  }
  const auto shape = ParseShape(path, HeaderValue(path, header.dictionary, "shape"));
  if (shape.empty() || shape.size() > 2) {
    Throw(ErrorCode::kInvalidArgument, "{} has {} dimensions; a matrix has 2", path.string(), shape.size());
  }
  num_rows_ = shape.size() == 2 ? shape[0] : 1;
  num_columns_ = shape.back();
  const size_t data_bytes = file.size() - data_offset_;
  uint64_t values = 0, bytes = 0;
  if (__builtin_mul_overflow(num_rows_, num_columns_, &values) ||
      __builtin_mul_overflow(values, sizeof(float), &bytes) || bytes != data_bytes) {
    ThrowDamaged(path, fmt::format("{} x {} values do not take {} bytes", num_rows_, num_columns_, data_bytes));
  }
}

void NpyFile::GetRows(uint64_t row, std::span<float> out) const {
  if (out.empty()) return;
  std::memcpy(out.data(), file_.bytes().data() + data_offset_ + row * num_columns_ * sizeof(float), out.size_bytes());
}

NpyMatrix ReadNpy(const std::filesystem::path& path) {
  const NpyFile file(path);
  NpyMatrix matrix{.values = std::vector<float>(file.num_rows() * file.num_columns()),
                   .num_rows = file.num_rows(),
                   .num_columns = file.num_columns()};
  file.GetRows(0, matrix.values);
  return matrix;
}

NpyWriter::NpyWriter(const std::filesystem::path& path, uint64_t num_rows, uint64_t num_columns)
    : file_(path), path_(path), missing_(num_rows * num_columns) {
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", num_rows, num_columns);
  const size_t unpadded = kMagic.size() + 4 + header.size() + 1;
  header.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  file_.Append(start + header);
}

void NpyWriter::Append(std::span<const float> values) {
  if (values.size() > missing_) Throw(ErrorCode::kInternal, "{}: more values than rows", path_.string());
  missing_ -= values.size();
  file_.Append(std::as_bytes(values));
}

void NpyWriter::Finish() {
  if (missing_ > 0) Throw(ErrorCode::kInternal, "{}: {} values are missing", path_.string(), missing_);
  file_.Finish();
}

void WriteNpy(const std::filesystem::path& path, std::span<const float> values, uint64_t num_columns) {
  if (num_columns == 0 || values.size() % num_columns != 0) {
    Throw(ErrorCode::kInternal, "{}: {} values are not rows of {}", path.string(), values.size(), num_columns);
  }
  NpyWriter writer(path, values.size() / num_columns, num_columns);
  writer.Append(values);
  writer.Finish();
}

}  // namespace retro
