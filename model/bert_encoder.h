// The processor's engine behind TextEncoder: BERT, mean pooled. The tokens of several sequences run as the rows of one
// matrix, so lengths may differ without padding. Linear layers are fp32 or 8 bits (EncoderPrecision), all else is fp32.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "model/int8_linear.h"
#include "model/model_files.h"
#include "model/packed_linear.h"
#include "model/text_encoder.h"

namespace retro {

// Hash of the configuration and every weight: the same whatever device the encoder runs on.
std::string BertFingerprint(const BertSource& source);

class BertEncoder final : public TextEncoder {
 public:
  BertEncoder(BertSource source, EncoderPrecision precision, ThreadPool& pool);

  int64_t dim() const override { return source_.config.hidden_dim; }
  int64_t max_len() const override { return source_.config.max_len; }
  int64_t vocab_size() const override { return source_.config.vocab_size; }
  const std::string& fingerprint() const override { return fingerprint_; }
  EncoderPrecision precision() const override { return precision_; }
  void Embed(std::span<const std::span<const TokenId>> sequences, std::span<float> out,
             ThreadPool& pool) const override;

 private:
  struct Norm {
    std::vector<float> weight, bias;
  };
  using Linear = std::variant<PackedLinear, Int8Linear>;
  struct Layer {
    Linear qkv, attention_out, ffn_up, ffn_down;
    Norm attention_norm, ffn_norm;
  };
  struct Batch;  // sequences that run together, and their activations

  Linear LoadLinear(std::span<const LinearPart> parts, int64_t num_inputs, ThreadPool& pool) const;
  Norm LoadNorm(const std::string& weight, const std::string& bias) const;
  Layer LoadLayer(const BertLayerNames& names, ThreadPool& pool) const;

  void Check(std::span<const std::span<const TokenId>> sequences) const;
  void EmbedBatch(Batch& batch, float* out, ThreadPool& pool) const;
  void LookUp(Batch& batch, ThreadPool& pool) const;
  void RunLayer(const Layer& layer, Batch& batch, ThreadPool& pool) const;
  void Attend(Batch& batch, ThreadPool& pool) const;
  void Normalize(const Norm& norm, Batch& batch, ThreadPool& pool) const;
  void PoolRows(const Batch& batch, int64_t sequence, float* out) const;

  BertSource source_;
  EncoderPrecision precision_;
  std::string fingerprint_;
  TensorView token_embedding_;             // stays in the file's map: a token reads one row
  std::vector<float> position_embedding_;  // [max_positions, hidden_dim], token type 0 added
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace retro
