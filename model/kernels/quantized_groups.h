// GGML's quantized blocks taken apart into groups with one scale and minimum each, without loss; and the making of
// 8-bit groups from floats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/kernels.h"
#include "model/tensor.h"

namespace retro::kernels {

// value[i] = scale * (quants[i] - zero point of the format) + minimum
struct QuantizedGroup {
  int8_t quants[kGroup];  // the first `group` of the format
  float scale;
  float minimum;
};

// How blocks of this type are packed. REQUIRES: a quantized type
QuantizedFormat FormatOf(DataType type);

// Group `index` of a run of blocks.
QuantizedGroup ReadGroup(DataType type, const std::byte* blocks, int64_t index);

// How floats are packed at WeightPrecision::kInt8.
QuantizedFormat Int8Format();

// The nearest 8-bit numbers of 32 floats. A group with a number that is not finite becomes NaN as a whole.
QuantizedGroup QuantizeFloats(const float* values);

}  // namespace retro::kernels
