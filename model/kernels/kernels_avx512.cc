// Compiled for AVX-512 with its integer dot products: called only where the processor has them.
#if defined(__AVX512VNNI__)
#include "model/kernels/simd_avx512.h"
#include "model/kernels/table-inl.h"

namespace retro::kernels {

const KernelTable* Avx512Kernels() {
  static constexpr KernelTable kTable = MakeTable("avx512");
  const bool supported = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                         __builtin_cpu_supports("avx512vnni");
  return supported ? &kTable : nullptr;
}

}  // namespace retro::kernels

#else

#include "model/kernels/kernels.h"

namespace retro::kernels {
const KernelTable* Avx512Kernels() { return nullptr; }
}  // namespace retro::kernels

#endif
