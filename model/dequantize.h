// 16-bit floats, and GGML's blocks of quantized numbers, widened to fp32 exactly as GGML defines them. Plain loops;
// the engines have kernels of their own.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "model/tensor.h"

namespace retro {

// IEEE half precision, subnormal numbers, infinities and NaN included. Free of branches, so loops over it vectorize.
inline float HalfToFloat(uint16_t half) {
  const uint32_t exponent_and_mantissa = uint32_t{half & 0x7fffu} << 13;
  // Read as fp32 the exponent's bias is 15 instead of 127: a factor of 2^112, exact for subnormal numbers as well.
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(exponent_and_mantissa) * 0x1p112f);
  const uint32_t not_finite = exponent_and_mantissa >= 0x0f800000u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(finite | not_finite | uint32_t{half & 0x8000u} << 16);
}

inline float BFloat16ToFloat(uint16_t value) { return std::bit_cast<float>(uint32_t{value} << 16); }

// Widens whole blocks. REQUIRES: a float or quantized type (not kF64); `blocks` holds num_blocks * BlockBytes(type)
// bytes, `out` num_blocks * BlockElements(type) floats; no alignment is needed.
void DequantizeBlocks(DataType type, const std::byte* blocks, size_t num_blocks, float* out);

// Whether DequantizeBlocks reads the type: what weights may be.
bool IsWeightType(DataType type);

}  // namespace retro
