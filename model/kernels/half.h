// fp32 to IEEE half precision, as far as packing needs it.
#pragma once

#include <cstdint>

namespace retro::kernels {

// The half of a value that a half holds exactly (one that was a half before).
uint16_t FloatToHalf(float value);

}  // namespace retro::kernels
