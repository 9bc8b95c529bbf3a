#include "model/kernels/vector_ops.h"

#include "model/kernels/kernels.h"
#include "model/kernels/thread_buffer.h"

namespace retro {

using kernels::ActiveKernels;

void RmsNorm(const float* x, const float* weight, int64_t dim, float eps, float* y) {
  ActiveKernels().rms_norm(x, weight, dim, eps, y);
}

void LayerNorm(const float* x, const float* weight, const float* bias, int64_t dim, float eps, float* y) {
  ActiveKernels().layer_norm(x, weight, bias, dim, eps, y);
}

void Softmax(float* row, int64_t dim) { ActiveKernels().softmax(row, dim); }
float LogSumExp(const float* row, int64_t dim) { return ActiveKernels().log_sum_exp(row, dim); }
int64_t ArgMax(const float* row, int64_t dim) { return ActiveKernels().arg_max(row, dim); }

void ApplyRotary(float* heads, int64_t num_heads, int64_t head_dim, const float* cosines, const float* sines,
                 RotaryPairing pairing) {
  ActiveKernels().apply_rotary(heads, num_heads, head_dim, cosines, sines, pairing);
}

void Attention(const AttentionArgs& args) { kernels::Attention(ActiveKernels(), args); }

void kernels::Attention(const KernelTable& kernels, const AttentionArgs& args) {
  thread_local ThreadBuffer<float> buffer;
  kernels.attention(args, buffer.Get(AttentionScratch(args)));
}

}  // namespace retro
