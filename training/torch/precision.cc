#include "training/torch/precision.h"

#include <ATen/autocast_mode.h>

#include <algorithm>
#include <chrono>

#include "core/error.h"

namespace retro {
namespace {

bool HasBf16(const torch::Device& device) {
  if (device.is_cuda()) return true;
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

torch::ScalarType ComputeType(Precision precision, const torch::Device& device) {
  if (precision == Precision::kFp32) return torch::kFloat32;
  if (HasBf16(device)) return torch::kBFloat16;
  if (precision == Precision::kAuto) return torch::kFloat32;
  Throw(ErrorCode::kUnavailable,
        "--precision bf16: this processor has no instructions for it (avx512_bf16), so fp32 is quicker; give "
        "--precision fp32 or auto");
}

AutocastGuard::AutocastGuard(torch::ScalarType compute, const torch::Device& device)
    : on_(compute != torch::kFloat32), device_(device.type()) {
  if (!on_) return;
  at::autocast::set_autocast_dtype(device_, compute);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

AutocastGuard::~AutocastGuard() {
  if (!on_) return;
  at::autocast::decrement_nesting();
  at::autocast::clear_cache();  // its copies of the weights are old after the next step
  at::autocast::set_autocast_enabled(device_, false);
}

double MeasurePeakFlops(torch::ScalarType compute, const torch::Device& device) {
  torch::NoGradGuard no_grad;
  const int64_t size = device.is_cuda() ? 8192 : 1024;
  const auto a = torch::ones({size, size}, torch::dtype(compute).device(device));
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    torch::mm(a, a).sum().item<float>();
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * static_cast<double>(size * size * size) / passed.count());
  }
  return best;
}

}  // namespace retro
