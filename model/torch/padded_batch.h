// What the LibTorch models share: sequences as one padded tensor, and LibTorch's exceptions as ours.
#pragma once

#include <algorithm>
#include <span>

#include "core/error.h"
#include "core/ids.h"
#include "model/torch/precompiled.h"

namespace retro {

// Throws Error(kInvalidArgument) on an empty or too long sequence and on a token outside the vocabulary.
inline void CheckSequences(std::span<const std::span<const TokenId>> sequences, int64_t vocab_size, int64_t max_len) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto size = static_cast<int64_t>(sequences[i].size());
    if (size == 0 || size > max_len) {
      Throw(ErrorCode::kInvalidArgument, "sequence {} has {} tokens: the model takes 1 to {}", i, size, max_len);
    }
    for (const TokenId token : sequences[i]) {
      if (token < 0 || token >= vocab_size) {
        Throw(ErrorCode::kInvalidArgument, "sequence {}: token {} is outside the vocabulary of {}", i, token,
              vocab_size);
      }
    }
  }
}

// [sequences, longest] int64, zeros after each sequence's end.
inline torch::Tensor PadAtEnd(std::span<const std::span<const TokenId>> sequences) {
  size_t longest = 0;
  for (const auto& sequence : sequences) longest = std::max(longest, sequence.size());
  const auto padded =
      torch::zeros({static_cast<int64_t>(sequences.size()), static_cast<int64_t>(longest)}, torch::kInt64);
  for (size_t i = 0; i < sequences.size(); ++i) {
    std::ranges::copy(sequences[i], padded.data_ptr<int64_t>() + i * longest);
  }
  return padded;
}

// Runs `work`; what LibTorch throws comes out as Error: kUnavailable when memory ran out.
template <typename Work>
void TranslateTorchErrors(const Work& work) {
  try {
    work();
  } catch (const c10::OutOfMemoryError& error) {
    Throw(ErrorCode::kUnavailable, "the device has no memory left: give fewer or shorter sequences at once ({})",
          error.what_without_backtrace());
  } catch (const c10::Error& error) {
    Throw(ErrorCode::kInternal, "LibTorch: {}", error.what_without_backtrace());
  }
}

}  // namespace retro
