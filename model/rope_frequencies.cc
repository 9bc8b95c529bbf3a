#include "model/rope_frequencies.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace retro {
namespace {

// LLaMA 3: slow turns are slowed by `factor`, fast ones kept, those between blended.
float ScaleForLongContext(float frequency, const Llama3RopeScaling& scaling) {
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  const float turns = static_cast<float>(scaling.original_context_len) / wavelength;
  if (turns < scaling.low_freq_factor) return frequency / scaling.factor;
  if (turns > scaling.high_freq_factor) return frequency;
  const float kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  return (1 - kept) * frequency / scaling.factor + kept * frequency;
}

void DivideByFileFactors(const DecoderSource& source, std::vector<float>& frequencies) {
  if (source.names.rope_frequency_factors.empty()) return;
  const int64_t shape[] = {static_cast<int64_t>(frequencies.size())};
  const auto factors = Dequantize(source.tensors->Get(source.names.rope_frequency_factors, shape));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (!(factors[i] > 0)) {
      Throw(ErrorCode::kCorruption, "{}: {}[{}] is {}; RoPE factors are positive: fetch the model again",
            source.path.string(), source.names.rope_frequency_factors, i, factors[i]);
    }
    frequencies[i] /= factors[i];
  }
}

}  // namespace

std::vector<float> RopeFrequencies(const DecoderConfig& config, int64_t head_dim) {
  std::vector<float> frequencies(head_dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequencies[i] = 1.0f / std::pow(config.rope_base, exponent);
    if (config.rope_scaling) frequencies[i] = ScaleForLongContext(frequencies[i], *config.rope_scaling);
  }
  return frequencies;
}

std::vector<float> RopeFrequencies(const DecoderSource& source) {
  auto frequencies = RopeFrequencies(source.config, source.config.head_dim);
  DivideByFileFactors(source, frequencies);
  return frequencies;
}

}  // namespace retro
