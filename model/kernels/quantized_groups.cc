#include "model/kernels/quantized_groups.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "model/dequantize.h"

namespace retro::kernels {
namespace {

float HalfAt(const std::byte* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
  return HalfToFloat(half);
}

int ByteAt(const std::byte* from) { return std::to_integer<int>(*from); }

// Blocks of 32: scale, minimum if there is one, fifth bits if there are, 16 bytes with two elements each.
QuantizedGroup ReadSmallBlock(const std::byte* block, bool has_minimum, bool has_fifth, int zero_point) {
  QuantizedGroup group{.quants = {}, .scale = HalfAt(block), .minimum = has_minimum ? HalfAt(block + 2) : 0.0f};
  const std::byte* next = block + (has_minimum ? 4 : 2);
  uint32_t fifth = 0;
  if (has_fifth) {
    std::memcpy(&fifth, next, sizeof fifth);
    next += sizeof fifth;
  }
  for (int i = 0; i < kGroup; ++i) {
    const int nibble = ByteAt(next + i % 16) >> (i < 16 ? 0 : 4) & 15;
    const int quant = nibble | static_cast<int>(fifth >> i & 1) << 4;
    group.quants[i] = static_cast<int8_t>(quant - zero_point);
  }
  return group;
}

QuantizedGroup ReadQ8_0(const std::byte* block) {
  QuantizedGroup group{.quants = {}, .scale = HalfAt(block), .minimum = 0.0f};
  std::memcpy(group.quants, block + 2, kGroup);
  return group;
}

// Blocks of 256 in 8 groups: scale and minimum of the block, 12 bytes with 6 bits for each group's scale and minimum,
// fifth bits if there are (bit g of byte i: element i of group g), then 32 bytes for each two groups.
QuantizedGroup ReadBigBlock(const std::byte* block, int index, bool has_fifth) {
  const std::byte* packed = block + 4;
  int scale, minimum;
  if (index < 4) {
    scale = ByteAt(packed + index) & 63;
    minimum = ByteAt(packed + index + 4) & 63;
  } else {
    scale = (ByteAt(packed + index + 4) & 15) | ByteAt(packed + index - 4) >> 6 << 4;
    minimum = ByteAt(packed + index + 4) >> 4 | ByteAt(packed + index) >> 6 << 4;
  }
  QuantizedGroup group{.quants = {},
                       .scale = HalfAt(block) * static_cast<float>(scale),
                       .minimum = -(HalfAt(block + 2) * static_cast<float>(minimum))};
  const std::byte* fifth = block + 16;
  const std::byte* quants = block + (has_fifth ? 48 : 16) + index / 2 * 32;
  for (int i = 0; i < kGroup; ++i) {
    const int high = has_fifth ? ByteAt(fifth + i) >> index & 1 : 0;
    group.quants[i] = static_cast<int8_t>((ByteAt(quants + i) >> (index % 2 * 4) & 15) | high << 4);
  }
  return group;
}

// Blocks of 256 in 16 groups of 16: 128 bytes of low 4 bits, 64 of high 2 bits, 16 scales, scale of the block. Each
// half of the elements has its own halves of the bits; 32 elements lie in 32 bytes, at a shift.
QuantizedGroup ReadQ6_K(const std::byte* block, int index) {
  const int half = index / 8, quarter = index / 2 % 4, first = index % 2 * 16;
  const std::byte* low = block + half * 64 + quarter % 2 * 32 + first;
  const std::byte* high = block + 128 + half * 32 + first;
  const auto scale = static_cast<int8_t>(ByteAt(block + 192 + index));
  QuantizedGroup group{.quants = {}, .scale = HalfAt(block + 208) * static_cast<float>(scale), .minimum = 0.0f};
  for (int i = 0; i < 16; ++i) {
    const int quant = (ByteAt(low + i) >> (quarter / 2 * 4) & 15) | (ByteAt(high + i) >> (quarter * 2) & 3) << 4;
    group.quants[i] = static_cast<int8_t>(quant - 32);
  }
  return group;
}

}  // namespace

QuantizedFormat FormatOf(DataType type) {
  switch (type) {
    case DataType::kQ8_0:
    case DataType::kQ5_0:
      return {};
    case DataType::kQ4_0:
      return {.bits = 4, .zero_point = 8};
    case DataType::kQ4_1:
      return {.bits = 4, .has_minimum = true};
    case DataType::kQ5_1:
      return {.has_minimum = true};
    case DataType::kQ4_K:
      return {.bits = 4, .half_scales = false, .has_minimum = true};
    case DataType::kQ5_K:
      return {.half_scales = false, .has_minimum = true};
    case DataType::kQ6_K:
      return {.group = 16, .half_scales = false};
    default:
      Throw(ErrorCode::kInternal, "{} is not a quantized type", DataTypeName(type));
  }
}

QuantizedFormat Int8Format() { return {.half_scales = false}; }

QuantizedGroup ReadGroup(DataType type, const std::byte* blocks, int64_t index) {
  const auto per_block = static_cast<int64_t>(BlockElements(type)) / FormatOf(type).group;
  const std::byte* block = blocks + index / per_block * static_cast<int64_t>(BlockBytes(type));
  const int in_block = static_cast<int>(index % per_block);
  switch (type) {
    case DataType::kQ8_0:
      return ReadQ8_0(block);
    case DataType::kQ4_0:
      return ReadSmallBlock(block, false, false, 0);
    case DataType::kQ4_1:
      return ReadSmallBlock(block, true, false, 0);
    case DataType::kQ5_0:
      return ReadSmallBlock(block, false, true, 16);
    case DataType::kQ5_1:
      return ReadSmallBlock(block, true, true, 0);
    case DataType::kQ4_K:
      return ReadBigBlock(block, in_block, false);
    case DataType::kQ5_K:
      return ReadBigBlock(block, in_block, true);
    case DataType::kQ6_K:
      return ReadQ6_K(block, in_block);
    default:
      Throw(ErrorCode::kInternal, "{} is not a quantized type", DataTypeName(type));
  }
}

QuantizedGroup QuantizeFloats(const float* values) {
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < kGroup; ++i) {
    largest = std::max(largest, std::abs(values[i]));
    finite = finite && std::isfinite(values[i]);
  }
  QuantizedGroup group{.quants = {}, .scale = std::numeric_limits<float>::quiet_NaN(), .minimum = 0.0f};
  if (!finite) return group;
  group.scale = largest / 127;
  // Zeros, and numbers so small that their scale is 0.
  if (group.scale == 0) return group;
  for (int i = 0; i < kGroup; ++i)
    group.quants[i] = static_cast<int8_t>(std::clamp(std::lround(values[i] / group.scale), -127L, 127L));
  return group;
}

}  // namespace retro::kernels
