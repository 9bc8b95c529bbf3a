// Operations of a Transformer beside the matrix products, on one row or one block of fp32 at a time. Each call works on
// the calling thread; callers share rows, heads and blocks of queries out over threads. The instruction set is the one
// that KernelName() (model/kernels/matmul.h) tells.
#pragma once

#include <cstdint>

namespace retro {

// y = x / sqrt(mean(x²) + eps) * weight. x and y may be the same row.
void RmsNorm(const float* x, const float* weight, int64_t dim, float eps, float* y);

// y = (x - mean) / sqrt(variance + eps) * weight + bias. x and y may be the same row.
void LayerNorm(const float* x, const float* weight, const float* bias, int64_t dim, float eps, float* y);

// row = exp(row - max) / sum, in place. REQUIRES: dim > 0
void Softmax(float* row, int64_t dim);

// log(sum(exp(row))), without overflow. REQUIRES: dim > 0
float LogSumExp(const float* row, int64_t dim);

// Index of the largest element, the first among equals; NaN never wins. REQUIRES: dim > 0
int64_t ArgMax(const float* row, int64_t dim);

// Which elements of a head turn together: i and i + head_dim / 2 (Hugging Face), or 2i and 2i + 1 (GGUF's LLaMA).
enum class RotaryPairing { kHalves, kNeighbours };

// Turns pair i of each head of [num_heads, head_dim] by the angle of cosines[i], sines[i]. REQUIRES: head_dim is even;
// the tables hold head_dim / 2.
void ApplyRotary(float* heads, int64_t num_heads, int64_t head_dim, const float* cosines, const float* sines,
                 RotaryPairing pairing);

// Keys in the order in which attention multiplies them: panels of 16 keys, [head_dim, 16] each.
constexpr int64_t kKeyPanel = 16;
inline void StoreKey(const float* key, int64_t head_dim, int64_t index, float* keys) {
  float* to = keys + index / kKeyPanel * kKeyPanel * head_dim + index % kKeyPanel;
  for (int64_t i = 0; i < head_dim; ++i) to[i * kKeyPanel] = key[i];
}

// softmax(scale * q Kᵀ) V of a block of queries, for the query heads that share one head of keys and values.
struct AttentionArgs {
  const float* queries = nullptr;  // head g of query i at i * query_stride + g * head_dim
  int64_t query_stride = 0;
  int64_t num_queries = 0;
  int64_t num_heads = 1;  // query heads of the group; 1 without grouped-query attention
  int64_t head_dim = 0;

  const float* keys = nullptr;  // row j at j * key_stride; values likewise
  const float* values = nullptr;
  int64_t key_stride = 0;
  int64_t value_stride = 0;
  int64_t num_keys = 0;
  bool packed_keys = false;  // keys are as StoreKey puts them; key_stride is not used

  // The last query sees all keys, each one before it one key less: for tokens whose own keys end the rows.
  bool causal = false;
  float scale = 1;  // mostly 1 / sqrt(head_dim)
  // Added to the scaled scores, for positions: of query i, head g and key j at (i * num_heads + g) * bias_stride + j.
  const float* bias = nullptr;  // null: nothing is added
  int64_t bias_stride = 0;

  float* out = nullptr;  // as queries
  int64_t out_stride = 0;
};

// One query costs one pass over keys and values; blocks of 16 to 64 queries run as matrix products. What a query gets
// does not depend on the others, to the last bit. Keeps a buffer of a
// bounded size a thread. REQUIRES: num_keys > 0; when causal, num_queries <= num_keys; out overlaps nothing else.
void Attention(const AttentionArgs& args);

}  // namespace retro
