// How fast RoPE turns each pair of a head's elements.
#pragma once

#include <vector>

#include "model/model_files.h"

namespace retro {

// Radians a position, [head_dim / 2]: LLaMA 3's scaling and the file's own factors applied.
// Throws Error(kCorruption) when the factors have another shape or are not positive.
std::vector<float> RopeFrequencies(const DecoderSource& source);

// The same for heads of another width, without a file's factors: those of the neighbour encoder.
std::vector<float> RopeFrequencies(const DecoderConfig& config, int64_t head_dim);

}  // namespace retro
