// An embedder for tests: three-byte windows of the text, hashed into a normalized vector. Similar texts lie near.
#pragma once

#include <cmath>
#include <memory>
#include <string>

#include "model/text_encoder.h"
#include "retriever/embedder.h"
#include "tests/testing/byte_tokenizer.h"

namespace retro {

class HashingEncoder final : public TextEncoder {
 public:
  explicit HashingEncoder(uint64_t seed = 0, EncoderPrecision precision = EncoderPrecision::kFp32)
      : seed_(seed), precision_(precision), fingerprint_("hashing " + std::to_string(seed)) {}

  int64_t dim() const override { return 32; }
  int64_t max_len() const override { return 4096; }
  int64_t vocab_size() const override { return 257; }
  const std::string& fingerprint() const override { return fingerprint_; }
  EncoderPrecision precision() const override { return precision_; }

  void Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out, ThreadPool&) const override {
    for (size_t i = 0; i < sequences.size(); ++i) EmbedOne(sequences[i], out.subspan(i * dim(), dim()));
  }

 private:
  void EmbedOne(std::span<const TokenId> tokens, std::span<float> row) const {
    std::fill(row.begin(), row.end(), precision_ == EncoderPrecision::kInt8 ? 0.1f : 0.01f);
    uint64_t window = seed_;
    for (const TokenId token : tokens) {
      window = (window << 8 | static_cast<uint64_t>(token)) & 0xFFFFFF;
      const uint64_t hash = (window + seed_) * 0x9E3779B97F4A7C15u;
      row[hash >> 59] += (hash & 1) != 0 ? 1.0f : -1.0f;
    }
    double sum = 0;
    for (const float value : row) sum += value * value;
    for (float& value : row) value = static_cast<float>(value / std::sqrt(sum));
  }

  uint64_t seed_;
  EncoderPrecision precision_;
  std::string fingerprint_;
};

// In kInt8 an embedding is a little off the one in kFp32.
inline std::shared_ptr<const Embedder> MakeHashingEmbedder(uint64_t seed = 0,
                                                           EncoderPrecision precision = EncoderPrecision::kFp32) {
  return std::make_shared<Embedder>(std::make_shared<HashingEncoder>(seed, precision),
                                    std::make_shared<ByteTokenizer>());
}

}  // namespace retro
