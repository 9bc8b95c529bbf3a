// How much of one text stands word for word in another one: the measure of leakage (Borgeaud et al. 2022, §2.6).
#pragma once

#include <cstdint>
#include <span>

#include "core/ids.h"

namespace retro {

// The length of the longest run of consecutive tokens that both have. Time and cache: a.size() * b.size(), b.size().
uint32_t LongestCommonSubstring(std::span<const TokenId> a, std::span<const TokenId> b);

}  // namespace retro
