#include "model/decoder.h"

#include "core/error.h"
#include "model/cpu_decoder.h"

namespace retro {

namespace {

[[noreturn]] void ThrowFixed() {
  Throw(ErrorCode::kInvalidArgument, "this cache's sequences are fixed: use that of the processor's engine");
}

}  // namespace

int KvCache::Add(int64_t) { ThrowFixed(); }
void KvCache::Remove(int) { ThrowFixed(); }
void KvCache::CopyTokens(int, int64_t, int) { ThrowFixed(); }

void CheckTakesNeighbours(const Decoder& decoder) {
  if (decoder.config().retro) return;
  Throw(
      ErrorCode::kInvalidArgument,
      "this decoder has no chunked cross-attention and takes no neighbours: give a RETRO model, or switch that kind of "
      "retrieval off");
}

void Decoder::SetNeighbours(KvCache&, int, int64_t, const ChunkNeighbours&) const {
  CheckTakesNeighbours(*this);
  Throw(ErrorCode::kInvalidArgument, "this engine computes no chunked cross-attention: use the processor's");
}

std::unique_ptr<Decoder> LoadDecoder(const std::filesystem::path& path, ThreadPool& pool, WeightPrecision precision,
                                     const std::filesystem::path& adapter) {
  return std::make_unique<CpuDecoder>(OpenDecoder(path, adapter), precision, pool);
}

}  // namespace retro
