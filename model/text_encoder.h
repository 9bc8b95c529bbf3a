// The frozen BERT encoder that turns token ids into one embedding: mean over tokens, L2-normalized where the model's
// own settings say so (sentence-transformers' modules.json and 1_Pooling).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace retro {

class ThreadPool;

// What the encoder's linear layers compute in; all else is fp32. kInt8 takes weights and activations as 8-bit integers
// (model/kernels/int8_matmul.h): a quarter quicker with AVX2, 2.7 times as quick with AVX-512's integer products, and
// near enough to fp32 that the two may be compared: of all-MiniLM-L6-v2 the cosine of a text's two embeddings was
// 0.9995 on average over 26,000 texts, some of them code or single words, and never below 0.9969. Between two
// instruction sets kInt8's embeddings differ by about half as much, since values round to the other side here and
// there.
enum class EncoderPrecision { kFp32, kInt8 };
const char* EncoderPrecisionName(EncoderPrecision precision);  // "fp32", "int8"
// Throws Error(kInvalidArgument) for any other name.
EncoderPrecision ParseEncoderPrecision(std::string_view name);

// Immutable: const methods may be called from several threads, each with its own pool.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  virtual int64_t dim() const = 0;
  virtual int64_t max_len() const = 0;  // tokens, [CLS] and [SEP] included; longer inputs must be cut by the caller
  virtual int64_t vocab_size() const = 0;
  virtual const std::string& fingerprint() const = 0;  // of config and weights, whatever the precision
  virtual EncoderPrecision precision() const { return EncoderPrecision::kFp32; }

  // Embeds each sequence (its special tokens included; lengths may differ, no padding is computed) into `out`,
  // [sequences.size(), dim()]. Throws Error(kInvalidArgument) on a token outside the vocabulary, an empty or a too long
  // sequence. REQUIRES: out.size() == sequences.size() * dim()
  virtual void Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out,
                     ThreadPool& pool) const = 0;
};

// A folder in Hugging Face layout with model_type bert. Throws Error naming file and field.
std::unique_ptr<TextEncoder> LoadTextEncoder(const std::filesystem::path& folder,
                                             EncoderPrecision precision = EncoderPrecision::kFp32);

}  // namespace retro
