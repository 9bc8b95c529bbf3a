#include "model/dequantize.h"

#include <cstring>

#include "core/error.h"

namespace retro {
namespace {

// Reads a little-endian number at any address.
template <typename T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

float LoadHalf(const std::byte* from) { return HalfToFloat(Load<uint16_t>(from)); }

const uint8_t* Bytes(const std::byte* from) { return reinterpret_cast<const uint8_t*>(from); }

// Q8_0: scale, 32 signed bytes.
void WidenQ8_0(const std::byte* block, float* out) {
  const float scale = LoadHalf(block);
  const auto* quants = reinterpret_cast<const int8_t*>(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(quants[i]) * scale;
}

// Q4_0: scale, 16 bytes; low halves are elements 0..15, high halves 16..31; values are centred on 8.
void WidenQ4_0(const std::byte* block, float* out) {
  const float scale = LoadHalf(block);
  const uint8_t* quants = Bytes(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((quants[i] & 15) - 8) * scale;
    out[i + 16] = static_cast<float>((quants[i] >> 4) - 8) * scale;
  }
}

// Q4_1: scale, minimum, 16 bytes as above.
void WidenQ4_1(const std::byte* block, float* out) {
  const float scale = LoadHalf(block);
  const float minimum = LoadHalf(block + 2);
  const uint8_t* quants = Bytes(block + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(quants[i] & 15) * scale + minimum;
    out[i + 16] = static_cast<float>(quants[i] >> 4) * scale + minimum;
  }
}

// The fifth bits of Q5_0 and Q5_1: bit i of `high` belongs to element i.
int FiveBits(int low, uint32_t high, int element) { return low | static_cast<int>((high >> element & 1) << 4); }

// Q5_0: scale, 32 fifth bits, 16 bytes as above; values are centred on 16.
void WidenQ5_0(const std::byte* block, float* out) {
  const float scale = LoadHalf(block);
  const auto high = Load<uint32_t>(block + 2);
  const uint8_t* quants = Bytes(block + 6);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(FiveBits(quants[i] & 15, high, i) - 16) * scale;
    out[i + 16] = static_cast<float>(FiveBits(quants[i] >> 4, high, i + 16) - 16) * scale;
  }
}

// Q5_1: scale, minimum, 32 fifth bits, 16 bytes as above.
void WidenQ5_1(const std::byte* block, float* out) {
  const float scale = LoadHalf(block);
  const float minimum = LoadHalf(block + 2);
  const auto high = Load<uint32_t>(block + 4);
  const uint8_t* quants = Bytes(block + 8);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(FiveBits(quants[i] & 15, high, i)) * scale + minimum;
    out[i + 16] = static_cast<float>(FiveBits(quants[i] >> 4, high, i + 16)) * scale + minimum;
  }
}

struct ScaleAndMinimum {
  float scale, minimum;
};

// The scale and minimum of one of the 8 groups of 32 in a Q4_K or Q5_K block: 6 bits each in 12 bytes. Groups 0..3
// have theirs in the low 6 bits; groups 4..7 have 4 bits in the last bytes and 2 in the tops of the first ones.
ScaleAndMinimum GroupScale(const std::byte* block, int group) {
  const uint8_t* packed = Bytes(block + 4);
  int scale, minimum;
  if (group < 4) {
    scale = packed[group] & 63;
    minimum = packed[group + 4] & 63;
  } else {
    scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
    minimum = (packed[group + 4] >> 4) | (packed[group] >> 6) << 4;
  }
  return {LoadHalf(block) * static_cast<float>(scale), LoadHalf(block + 2) * static_cast<float>(minimum)};
}

// Q4_K: scale and minimum of the block, packed group scales, 128 bytes; each 32 bytes hold two groups, the first in
// the low halves.
void WidenQ4_K(const std::byte* block, float* out) {
  const uint8_t* quants = Bytes(block + 16);
  for (int pair = 0; pair < 4; ++pair, quants += 32, out += 64) {
    const ScaleAndMinimum low = GroupScale(block, 2 * pair);
    const ScaleAndMinimum high = GroupScale(block, 2 * pair + 1);
    for (int i = 0; i < 32; ++i) {
      out[i] = low.scale * static_cast<float>(quants[i] & 15) - low.minimum;
      out[i + 32] = high.scale * static_cast<float>(quants[i] >> 4) - high.minimum;
    }
  }
}

// Q5_K: as Q4_K with 32 bytes of fifth bits before the quants; bit g of byte i belongs to element i of group g.
void WidenQ5_K(const std::byte* block, float* out) {
  const uint8_t* fifth = Bytes(block + 16);
  const uint8_t* quants = Bytes(block + 48);
  for (int pair = 0; pair < 4; ++pair, quants += 32, out += 64) {
    const ScaleAndMinimum low = GroupScale(block, 2 * pair);
    const ScaleAndMinimum high = GroupScale(block, 2 * pair + 1);
    for (int i = 0; i < 32; ++i) {
      const int low_bit = fifth[i] >> (2 * pair) & 1;
      const int high_bit = fifth[i] >> (2 * pair + 1) & 1;
      out[i] = low.scale * static_cast<float>((quants[i] & 15) | low_bit << 4) - low.minimum;
      out[i + 32] = high.scale * static_cast<float>(quants[i] >> 4 | high_bit << 4) - high.minimum;
    }
  }
}

// Q6_K: 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed group scales, scale of the block; values are
// centred on 32. Each half of the block (128 elements) has 64 low bytes and 32 high bytes; quarter q of it takes the
// low bytes 32 * (q % 2) on, their upper halves for q >= 2, and bits 2q and 2q + 1 of the high bytes.
void WidenQ6_K(const std::byte* block, float* out) {
  const auto* scales = reinterpret_cast<const int8_t*>(block + 192);
  const float block_scale = LoadHalf(block + 208);
  for (int quarter = 0; quarter < 8; ++quarter, out += 32) {
    const int half = quarter / 4;
    const int in_half = quarter % 4;
    const uint8_t* low = Bytes(block) + 64 * half + 32 * (in_half % 2);
    const uint8_t* high = Bytes(block) + 128 + 32 * half;
    const int low_shift = in_half < 2 ? 0 : 4;
    const float scale[2] = {block_scale * static_cast<float>(scales[2 * quarter]),
                            block_scale * static_cast<float>(scales[2 * quarter + 1])};
    for (int i = 0; i < 32; ++i) {
      const int quant = (low[i] >> low_shift & 15) | (high[i] >> (2 * in_half) & 3) << 4;
      out[i] = scale[i / 16] * static_cast<float>(quant - 32);
    }
  }
}

template <void (*widen)(const std::byte*, float*)>
void WidenAll(DataType type, const std::byte* blocks, size_t num_blocks, float* out) {
  const size_t bytes = BlockBytes(type);
  const size_t elements = BlockElements(type);
  for (size_t i = 0; i < num_blocks; ++i) widen(blocks + i * bytes, out + i * elements);
}

void WidenHalves(const std::byte* halves, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = HalfToFloat(Load<uint16_t>(halves + 2 * i));
}

void WidenBFloat16s(const std::byte* values, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = BFloat16ToFloat(Load<uint16_t>(values + 2 * i));
}

}  // namespace

bool IsWeightType(DataType type) {
  switch (type) {
    case DataType::kF64:
    case DataType::kI64:
    case DataType::kI32:
    case DataType::kI16:
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool:
      return false;
    default:
      return true;
  }
}

void DequantizeBlocks(DataType type, const std::byte* blocks, size_t num_blocks, float* out) {
  if (num_blocks == 0) return;
  switch (type) {
    case DataType::kF32:
      std::memcpy(out, blocks, num_blocks * sizeof(float));
      return;
    case DataType::kF16:
      return WidenHalves(blocks, num_blocks, out);
    case DataType::kBF16:
      return WidenBFloat16s(blocks, num_blocks, out);
    case DataType::kQ8_0:
      return WidenAll<WidenQ8_0>(type, blocks, num_blocks, out);
    case DataType::kQ4_0:
      return WidenAll<WidenQ4_0>(type, blocks, num_blocks, out);
    case DataType::kQ4_1:
      return WidenAll<WidenQ4_1>(type, blocks, num_blocks, out);
    case DataType::kQ5_0:
      return WidenAll<WidenQ5_0>(type, blocks, num_blocks, out);
    case DataType::kQ5_1:
      return WidenAll<WidenQ5_1>(type, blocks, num_blocks, out);
    case DataType::kQ4_K:
      return WidenAll<WidenQ4_K>(type, blocks, num_blocks, out);
    case DataType::kQ5_K:
      return WidenAll<WidenQ5_K>(type, blocks, num_blocks, out);
    case DataType::kQ6_K:
      return WidenAll<WidenQ6_K>(type, blocks, num_blocks, out);
    default:
      Throw(ErrorCode::kInternal, "DequantizeBlocks: {} is not a float type", DataTypeName(type));
  }
}

}  // namespace retro
