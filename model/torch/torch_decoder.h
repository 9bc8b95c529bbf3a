// The decoder run by LibTorch, on the processor or a GPU: whole sequences in, logits out, no cache. For scoring where a
// GPU is at hand and as a check of the processor's engine; generation uses model/decoder.h.
// Shows no LibTorch header.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "model/model_files.h"

namespace retro {

// Immutable; Logits may be called from one thread at a time.
class TorchDecoder {
 public:
  // `device`: "cpu", "cuda" or "cuda:N". Throws Error: kUnavailable when this LibTorch has no such device, and what
  // TensorSource::Get throws.
  explicit TorchDecoder(const DecoderSource& source, const std::string& device = "cpu");
  ~TorchDecoder();
  TorchDecoder(TorchDecoder&&) noexcept;
  TorchDecoder& operator=(TorchDecoder&&) noexcept;

  const DecoderConfig& config() const;

  // A row of vocab_size for every token, sequences one after the other. Lengths may differ. Throws
  // Error(kInvalidArgument) on an empty or too long sequence and on a token outside the vocabulary, and
  // Error(kUnavailable) when the device has no memory left.
  std::vector<float> Logits(std::span<const std::span<const TokenId>> sequences) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
