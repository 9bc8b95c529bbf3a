#include "model/kernels/half.h"

#include <bit>
#include <cmath>

namespace retro::kernels {
namespace {

constexpr uint16_t kInfinity = 0x7c00;

}  // namespace

uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  if (std::isnan(value)) return sign | kInfinity | static_cast<uint16_t>(bits >> 13 & 0x3ffu) | 0x200u;
  if (std::isinf(value)) return sign | kInfinity;
  const float magnitude = std::abs(value);
  // Below 2^-14 halves are multiples of 2^-24.
  if (magnitude < 0x1p-14f) return sign | static_cast<uint16_t>(magnitude * 0x1p24f);
  return sign | static_cast<uint16_t>((std::bit_cast<uint32_t>(magnitude) >> 13) - (112u << 10));
}

}  // namespace retro::kernels
