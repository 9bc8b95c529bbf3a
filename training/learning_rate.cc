#include "training/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace retro {

double LearningRate::At(int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  const int64_t falling = std::max<int64_t>(1, steps - 1 - warmup_steps);
  const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(falling));
  return peak * (min_factor + (1 - min_factor) * 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace retro
