// Where retrieved text reaches a decoder.
#pragma once

namespace retro {

enum class RetrievalMode {
  kOff,
  kPrompt,  // passages in the prompt: any decoder
  kCca,     // neighbours by chunked cross-attention: a RETRO decoder
  kBoth,    // the best passage in the prompt, the others by cross-attention (Wang et al. 2023, RETRO++)
};

constexpr bool UsesCrossAttention(RetrievalMode mode) {
  return mode == RetrievalMode::kCca || mode == RetrievalMode::kBoth;
}

}  // namespace retro
