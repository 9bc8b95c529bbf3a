// e^x over whole rows of logits: probabilities to sample from, and log-probabilities to score with.
#pragma once

#include <span>

namespace retro {

// ln(sum of e^x). Accurate to about 1e-6 for any row length; -inf counts as probability 0. Throws Error(kCorruption)
// when a logit is NaN or +inf, or when all are -inf. Safe from many threads. REQUIRES: !logits.empty()
double LogSumExp(std::span<const float> logits);

// weights[i] = e^((logits[i] - greatest) / temperature), relative error below 1e-6; returns their sum. Throws as
// LogSumExp does. REQUIRES: weights.size() == logits.size(), temperature > 0
double SoftmaxWeights(std::span<const float> logits, float temperature, std::span<float> weights);

// Throws the Error(kCorruption) of the functions above.
[[noreturn]] void ThrowNotFinite();

}  // namespace retro
