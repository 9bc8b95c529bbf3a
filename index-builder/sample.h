// A uniform random sample of numbers, the same for one seed on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace retro {

// min(count, population) different numbers below `population`, ascending.
std::vector<uint64_t> SampleWithoutReplacement(uint64_t population, uint64_t count, uint64_t seed);

}  // namespace retro
