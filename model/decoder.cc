#include "model/decoder.h"

#include "model/cpu_decoder.h"

namespace retro {

std::unique_ptr<Decoder> LoadDecoder(const std::filesystem::path& path, ThreadPool& pool, WeightPrecision precision) {
  return std::make_unique<CpuDecoder>(OpenDecoder(path), precision, pool);
}

}  // namespace retro
