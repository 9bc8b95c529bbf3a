#include "model/engine_rows.h"

#include "model/kernels/vector_ops.h"

namespace retro {

void NormalizeRow(const DecoderConfig& config, const NormWeights& norm, const float* x, float* y) {
  const auto dim = std::ssize(norm.weight);
  if (config.norm == NormKind::kRmsNorm) {
    RmsNorm(x, norm.weight.data(), dim, config.norm_eps, y);
  } else {
    LayerNorm(x, norm.weight.data(), norm.bias.data(), dim, config.norm_eps, y);
  }
}

void NormalizeRows(const DecoderConfig& config, const NormWeights& norm, const float* x, int64_t num_rows, float* y,
                   ThreadPool& pool) {
  const auto dim = std::ssize(norm.weight);
  ForRows(num_rows, pool, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * dim; at < end * dim; at += dim) NormalizeRow(config, norm, x + at, y + at);
  });
}

Activation FfnActivation(FeedForwardKind kind) {
  switch (kind) {
    case FeedForwardKind::kGelu:
      return Activation::kGelu;
    case FeedForwardKind::kGeluTanh:
      return Activation::kGeluTanh;
    case FeedForwardKind::kSwiGlu:
      return Activation::kSiluGate;
  }
  return Activation::kNone;
}

}  // namespace retro
