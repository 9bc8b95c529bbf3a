// For the tests of the kernels: every instruction set of this machine, and random arrays.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "model/kernels/kernels.h"
#include "model/tensor.h"

namespace retro {

inline std::vector<const kernels::KernelTable*> AllKernels() {
  std::vector<const kernels::KernelTable*> all;
  for (const auto* table : {kernels::PortableKernels(), kernels::Avx2Kernels(), kernels::Avx512Kernels()}) {
    if (table != nullptr) all.push_back(table);
  }
  return all;
}

inline std::string KernelsName(const testing::TestParamInfo<const kernels::KernelTable*>& info) {
  return info.param->name;
}

inline std::vector<float> RandomFloats(size_t count, uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// A weight tensor and the bytes that its view is of.
struct OwnedTensor {
  std::vector<std::byte> bytes;
  TensorView view;

  OwnedTensor(DataType type, std::vector<int64_t> shape, std::vector<std::byte> data) : bytes(std::move(data)) {
    view = {std::string(DataTypeName(type)), type, std::move(shape), bytes};
  }
};

inline OwnedTensor FloatTensor(int64_t rows, int64_t columns, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {DataType::kF32, {rows, columns}, std::move(bytes)};
}

// Any bits, but halves (plain ones and the blocks' scales and minimums) of magnitude 2^-5 to 2^-3 and any sign.
inline OwnedTensor RandomTensor(DataType type, int64_t rows, int64_t columns, uint32_t seed) {
  const std::vector<int64_t> shape = {rows, columns};
  if (type == DataType::kF32) return FloatTensor(rows, columns, RandomFloats(rows * columns, seed));
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(*TensorBytes(type, shape));
  for (std::byte& byte : bytes) byte = std::byte(random() & 255);
  const auto set_half = [&](size_t at, uint32_t exponent) {
    const auto half = static_cast<uint16_t>((random() & 0x83ffu) | exponent << 10);
    std::memcpy(bytes.data() + at, &half, sizeof half);
  };
  const size_t block_bytes = BlockBytes(type);
  for (size_t block = 0; block < bytes.size(); block += block_bytes) {
    switch (type) {
      case DataType::kF16:
        set_half(block, 10 + random() % 3);
        break;
      case DataType::kBF16:
        bytes[block + 1] = std::byte(0x3e | (random() & 0x80));
        break;
      case DataType::kQ6_K:
        set_half(block + 208, 8);
        break;
      case DataType::kQ4_1:
      case DataType::kQ5_1:
      case DataType::kQ4_K:
      case DataType::kQ5_K:
        set_half(block + 2, 11);
        [[fallthrough]];
      default:
        set_half(block, 11);
    }
  }
  return {type, shape, std::move(bytes)};
}

}  // namespace retro
