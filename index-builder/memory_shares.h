// How a build divides the memory that it was given: memory_bytes / share each.
#pragma once

#include <cstddef>

namespace retro {

inline constexpr size_t kMappedShare = 4;  // pages of mapped files
inline constexpr size_t kMergeShare = 4;   // entries of inverted lists on their way into the index file

}  // namespace retro
