// NumPy's .npy files of 32-bit floats: the common ground with Python for embeddings and benchmark vectors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

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

// Writes atomically. Throws Error(kIo). REQUIRES: values.size() is a multiple of num_columns
void WriteNpy(const std::filesystem::path& path, std::span<const float> values, uint64_t num_columns);

}  // namespace retro
