// The frozen BERT encoder that turns token ids into one embedding: mean over tokens, L2-normalized where the model's
// own settings say so (sentence-transformers' modules.json and 1_Pooling). fp32 on the processor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"

namespace retro {

class ThreadPool;

// Immutable: const methods may be called from several threads, each with its own pool.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  virtual int64_t dim() const = 0;
  virtual int64_t max_len() const = 0;  // tokens, [CLS] and [SEP] included; longer inputs must be cut by the caller
  virtual int64_t vocab_size() const = 0;
  virtual const std::string& fingerprint() const = 0;  // of config and weights

  // Embeds each sequence (its special tokens included; lengths may differ, no padding is computed) into `out`,
  // [sequences.size(), dim()]. Throws Error(kInvalidArgument) on a token outside the vocabulary, an empty or a too long
  // sequence. REQUIRES: out.size() == sequences.size() * dim()
  virtual void Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out,
                     ThreadPool& pool) const = 0;
};

// A folder in Hugging Face layout with model_type bert. Throws Error naming file and field.
std::unique_ptr<TextEncoder> LoadTextEncoder(const std::filesystem::path& folder);

}  // namespace retro
