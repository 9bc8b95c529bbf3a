// Arithmetic on half-precision vectors, in the processor's own instructions where it has them (F16C, AVX2, FMA; found
// when the program starts), else portable.
#pragma once

#include <cstdint>

namespace retro {

// Squared L2 distance of `query` to `row`, both `dim` values.
float HalfDistance(const float* query, const uint16_t* row, int64_t dim);

// The same in plain C++: what every processor can do, and what tests compare with.
float HalfDistancePortable(const float* query, const uint16_t* row, int64_t dim);

float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);

}  // namespace retro
