#include <cstdlib>
#include <string_view>

#include "model/kernels/kernels.h"

namespace retro::kernels {
namespace {

// The best that the processor has, or as much less as RETRO_CPU says.
const KernelTable& Choose() {
  const char* limit = std::getenv("RETRO_CPU");
  const std::string_view highest = limit == nullptr ? "" : limit;
  if (highest == "portable") return *PortableKernels();
  if (highest != "avx2" && Avx512Kernels() != nullptr) return *Avx512Kernels();
  if (Avx2Kernels() != nullptr) return *Avx2Kernels();
  return *PortableKernels();
}

}  // namespace

const KernelTable& ActiveKernels() {
  static const KernelTable& table = Choose();
  return table;
}

}  // namespace retro::kernels

namespace retro {

const char* KernelName() { return kernels::ActiveKernels().name; }

}  // namespace retro
