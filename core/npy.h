// NumPy's .npy files of 32-bit floats: the common ground with Python for embeddings and benchmark vectors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "core/file.h"

namespace retro {

// A matrix, rows one after the other. A plain value.
struct NpyMatrix {
  std::vector<float> values;  // [num_rows, num_columns]
  uint64_t num_rows = 0;
  uint64_t num_columns = 0;

  std::span<const float> Row(uint64_t row) const { return std::span(values).subspan(row * num_columns, num_columns); }
};

// Format versions 1 to 3, little-endian float32 in C order, one or two dimensions (one: a single row).
// Throws Error(kNotFound, kIo), kCorruption when the header or the size is wrong, kInvalidArgument on other element
// types and orders.
NpyMatrix ReadNpy(const std::filesystem::path& path);

// The same file mapped, for what does not fit into memory. Const methods are safe from many threads.
class NpyFile {
 public:
  // Throws as ReadNpy does.
  explicit NpyFile(const std::filesystem::path& path);

  uint64_t num_rows() const { return num_rows_; }
  uint64_t num_columns() const { return num_columns_; }
  // As many rows as `out` has room for, from `row` on. REQUIRES: they are there; out.size() is a multiple of
  // num_columns()
  void GetRows(uint64_t row, std::span<float> out) const;

 private:
  MappedFile file_;
  size_t data_offset_ = 0;  // where a writer's header ends, which need not be a multiple of 4
  uint64_t num_rows_ = 0, num_columns_ = 0;
};

// The same file written row by row. One thread at a time.
class NpyWriter {
 public:
  // Throws Error(kIo).
  NpyWriter(const std::filesystem::path& path, uint64_t num_rows, uint64_t num_columns);
  // Any number of values. Throws Error(kIo).
  void Append(std::span<const float> values);
  // Without it nothing appears. Throws Error(kInternal) when there are not as many values as was said.
  void Finish();

 private:
  AtomicFile file_;
  std::filesystem::path path_;
  uint64_t missing_;  // values
};

// Writes atomically. Throws Error(kIo). REQUIRES: values.size() is a multiple of num_columns
void WriteNpy(const std::filesystem::path& path, std::span<const float> values, uint64_t num_columns);

}  // namespace retro
