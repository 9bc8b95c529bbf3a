// For any processor.
#include "model/kernels/simd_portable.h"
#include "model/kernels/table-inl.h"

namespace retro::kernels {

const KernelTable* PortableKernels() {
  static constexpr KernelTable kTable = MakeTable("portable");
  return &kTable;
}

}  // namespace retro::kernels
