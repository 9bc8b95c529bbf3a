// Reads a decoder's weights from its file and packs them for the kernels, with a count of what was read.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "model/model_files.h"
#include "model/packed_linear.h"

namespace retro {

struct NormWeights {
  std::vector<float> weight, bias;  // [width]; bias is empty with RMSNorm
};

struct TransformerLayerWeights {
  NormWeights attention_norm, ffn_norm;
  PackedLinear qkv;            // q rows, then k, then v
  PackedLinear attention_out;  // [hidden_dim, num_heads * head_dim]
  PackedLinear ffn_in;         // up; or gate and up in turn (SwiGLU)
  PackedLinear ffn_out;
};

struct TransformerLayerShape {
  int64_t hidden_dim, num_heads, num_kv_heads, head_dim, ffn_dim;
};

// One thread at a time. Methods throw Error(kCorruption, kInvalidArgument) naming file and tensor.
class WeightLoader {
 public:
  // All three must outlive the loader.
  WeightLoader(const DecoderSource& source, WeightPrecision precision, ThreadPool& pool)
      : source_(source), precision_(precision), pool_(pool) {}

  const DecoderSource& source() const { return source_; }
  ThreadPool& pool() { return pool_; }

  const TensorView& Tensor(const std::string& name, std::initializer_list<int64_t> shape) const;
  std::vector<float> Floats(const std::string& name, std::initializer_list<int64_t> shape);
  NormWeights Norm(const std::string& weight, const std::string& bias, int64_t width);
  // `transposed`: the file has [in, out].
  PackedLinear Linear(const std::vector<LinearPart>& parts, int64_t num_inputs, bool transposed);
  TransformerLayerWeights Layer(const DecoderLayerNames& names, const TransformerLayerShape& shape, bool transposed);

  // Of everything read so far, and of what was counted apart.
  uint64_t num_parameters() const { return num_parameters_; }
  uint64_t bytes() const { return bytes_; }  // as held in memory
  void Count(uint64_t num_parameters, uint64_t bytes);

 private:
  PackedLinear Qkv(const DecoderLayerNames& names, const TransformerLayerShape& shape, bool transposed);
  PackedLinear FfnIn(const DecoderLayerNames& names, const TransformerLayerShape& shape, bool transposed);
  PackedLinear Counted(PackedLinear linear);
  // With the updates that the source's adapter has for these parts.
  PackedLinear Adapted(PackedLinear linear, std::span<const LinearPart> parts, bool interleaved) const;

  const DecoderSource& source_;
  WeightPrecision precision_;
  ThreadPool& pool_;
  uint64_t num_parameters_ = 0, bytes_ = 0;
};

}  // namespace retro
