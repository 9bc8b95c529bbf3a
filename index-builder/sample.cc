#include "index-builder/sample.h"

#include <algorithm>
#include <random>

namespace retro {

// Selection sampling (Knuth, volume 2, algorithm S): each number is taken with the chance wanted / left.
std::vector<uint64_t> SampleWithoutReplacement(uint64_t population, uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  uint64_t wanted = std::min(count, population);
  std::vector<uint64_t> sample;
  sample.reserve(wanted);
  for (uint64_t number = 0; wanted > 0; ++number) {
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    if (uniform * static_cast<double>(population - number) >= static_cast<double>(wanted)) continue;
    sample.push_back(number);
    --wanted;
  }
  return sample;
}

}  // namespace retro
