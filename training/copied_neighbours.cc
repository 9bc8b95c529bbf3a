#include "training/copied_neighbours.h"

#include <algorithm>

#include "training/sequence_order.h"

namespace retro {
namespace {

// In [0, 1), by 53 bits.
double Uniform(uint64_t seed, uint64_t index) { return static_cast<double>(MixSeed(seed, index) >> 11) * 0x1p-53; }

}  // namespace

void CopyNextChunks(double share, uint64_t seed, TrainingBatch& batch) {
  if (batch.num_chunks == 0 || batch.num_neighbours == 0) return;
  const int64_t chunk_len = batch.seq_len / batch.num_chunks, k = batch.num_neighbours;
  for (int64_t row = 0; row < batch.num_sequences * batch.num_chunks; ++row) {
    const int64_t next = (row % batch.num_chunks + 1) * chunk_len;  // in the sequence
    const int64_t length = std::min(batch.neighbour_len, std::min(2 * chunk_len, batch.seq_len - next));
    if (length == 0 || Uniform(seed, static_cast<uint64_t>(row)) >= share) continue;
    const auto from = batch.tokens.begin() + row / batch.num_chunks * batch.seq_len + next;
    for (int64_t place = row * k; place < (row + 1) * k; ++place) {
      const auto to = batch.neighbour_tokens.begin() + place * batch.neighbour_len;
      std::fill(std::copy_n(from, length, to), to + batch.neighbour_len, 0);
      batch.neighbour_lengths[place] = static_cast<uint32_t>(length);
    }
  }
}

}  // namespace retro
