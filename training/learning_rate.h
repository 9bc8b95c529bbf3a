// The learning rate of each step: linear warm-up, then a cosine down to a share of the peak.
#pragma once

#include <cstdint>

namespace retro {

// A plain value. `step` counts from 0; the first step already moves, the last one has min_factor * peak.
struct LearningRate {
  double peak = 0;
  double min_factor = 0;
  int64_t warmup_steps = 0;
  int64_t steps = 0;

  double At(int64_t step) const;
};

}  // namespace retro
