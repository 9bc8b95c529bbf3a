// Compiled for AVX2 with FMA and half-precision conversion: called only where the processor has them.
#if defined(__AVX2__)
#include "model/kernels/simd_avx2.h"
#include "model/kernels/table-inl.h"

namespace retro::kernels {

const KernelTable* Avx2Kernels() {
  static constexpr KernelTable kTable = MakeTable("avx2");
  const bool supported =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  return supported ? &kTable : nullptr;
}

}  // namespace retro::kernels

#else

#include "model/kernels/kernels.h"

namespace retro::kernels {
const KernelTable* Avx2Kernels() { return nullptr; }
}  // namespace retro::kernels

#endif
