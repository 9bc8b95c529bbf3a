// What the ranks of a build under mpirun and the process that they are compared with have in common.
#pragma once

#include "tests/index-builder/test_database.h"

namespace retro {

inline const IndexOptions kRankOptions{.chunk_len = 8, .factory = "IVF8,PQ16x4fs", .block_chunks = 16};

}  // namespace retro
