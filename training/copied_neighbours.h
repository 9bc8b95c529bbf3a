// The warm-up of chunked cross-attention: neighbours that do hold what comes next, so that reading from neighbours pays
// before there is a skill in it (CEPE trains so first: Yen et al. 2024, arXiv 2402.16617).
#pragma once

#include <cstdint>

#include "training/batch.h"

namespace retro {

// Gives a chunk, with probability `share`, in the place of one of its neighbours what its own sequence says from some
// token of the chunk itself on, up to a chunk later, as far as neighbour_len and the sequence reach: the next chunk is
// in it, at a place that differs. So what is learned is to find by what was just said what comes next, not by position
// alone. The sequence's last chunk keeps its neighbours. All choices depend on `seed` only. Without neighbours in the
// batch, nothing.
void CopyNextChunks(double share, uint64_t seed, TrainingBatch& batch);

}  // namespace retro
