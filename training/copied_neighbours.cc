#include "training/copied_neighbours.h"

#include <algorithm>

#include "training/sequence_order.h"

namespace retro {
namespace {

// In [0, 1), by 53 bits.
double Uniform(uint64_t seed, int64_t index) {
  return static_cast<double>(MixSeed(seed, static_cast<uint64_t>(index)) >> 11) * 0x1p-53;
}

// In [0, most].
int64_t UpTo(int64_t most, uint64_t seed, int64_t index) {
  return static_cast<int64_t>(Uniform(seed, index) * static_cast<double>(most + 1));
}

}  // namespace

void CopyNextChunks(double share, uint64_t seed, TrainingBatch& batch) {
  if (batch.num_chunks == 0 || batch.num_neighbours == 0) return;
  const int64_t chunk_len = batch.seq_len / batch.num_chunks, k = batch.num_neighbours;
  for (int64_t row = 0; row < batch.num_sequences * batch.num_chunks; ++row) {
    const int64_t next = (row % batch.num_chunks + 1) * chunk_len;  // in the sequence
    if (next == batch.seq_len || Uniform(seed, 3 * row) >= share) continue;
    const int64_t before = UpTo(std::min(chunk_len, batch.neighbour_len - 1), seed, 3 * row + 1);
    const int64_t place = row * k + UpTo(k - 1, seed, 3 * row + 2);
    const int64_t end = std::min(next + chunk_len, batch.seq_len);
    const int64_t length = std::min(batch.neighbour_len, end - (next - before));
    const auto from = batch.tokens.begin() + row / batch.num_chunks * batch.seq_len + next - before;
    const auto to = batch.neighbour_tokens.begin() + place * batch.neighbour_len;
    std::fill(std::copy_n(from, length, to), to + batch.neighbour_len, 0);
    batch.neighbour_lengths[place] = static_cast<uint32_t>(length);
  }
}

}  // namespace retro
