// Which examples share a training sequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace retro {

// Puts items of these lengths into as few bins of `capacity` as first-fit decreasing finds (at most 11/9 of the least,
// Johnson 1973); for training examples next to nothing stays empty. Bins and their items are indices in order of
// falling length, equal ones in the order given. REQUIRES: every length is from 1 to `capacity`
std::vector<std::vector<size_t>> PackIntoBins(std::span<const size_t> lengths, size_t capacity);

}  // namespace retro
