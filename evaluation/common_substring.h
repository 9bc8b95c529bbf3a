// How much two runs of tokens have in common: the measure of leakage of Borgeaud et al. 2022, section 2.6.
#pragma once

#include <cstdint>
#include <span>

#include "core/ids.h"

namespace retro {

// The length of the longest run of tokens that occurs in both. Pure; takes |a| * |b| steps and |b| numbers of memory.
int64_t LongestCommonSubstring(std::span<const TokenId> a, std::span<const TokenId> b);

}  // namespace retro
