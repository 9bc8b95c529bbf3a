// The warm-up of chunked cross-attention: neighbours that do hold what comes next, so that reading from neighbours pays
// before there is a skill in it (CEPE trains so first: Yen et al. 2024, arXiv 2402.16617).
#pragma once

#include <cstdint>

#include "training/batch.h"

namespace retro {

// Gives a chunk, with probability `share`, the next chunk of its own sequence and the one after that, as far as
// neighbour_len and the sequence reach, in the place of every neighbour; the sequence's last chunk keeps its own. Which
// chunks depends on `seed` only. Without neighbours in the batch, nothing.
void CopyNextChunks(double share, uint64_t seed, TrainingBatch& batch);

}  // namespace retro
