// Log-probabilities under the decoder's own distribution: a row of logits, before any penalty or filter.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "core/ids.h"

namespace retro {

// Of one row of logits, which must outlive it. Whoever asks for a token's value gets the same float. Safe from many
// threads.
class RowLogProbs {
 public:
  // Throws Error(kCorruption) when a logit is NaN or +inf, or when all are -inf. REQUIRES: !logits.empty()
  explicit RowLogProbs(std::span<const float> logits);

  // ln p. REQUIRES: 0 <= token < logits.size()
  float Of(TokenId token) const { return static_cast<float>(logits_[token] - log_sum_exp_); }

  // The `count` most probable tokens (all, when there are fewer), best first; equal ones by id.
  std::vector<std::pair<TokenId, float>> Top(size_t count) const;

 private:
  std::span<const float> logits_;
  double log_sum_exp_;
};

}  // namespace retro
