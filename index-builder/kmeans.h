// k-means (Lloyd, 1982) by the threads of several processes, for the centroids of an index's lists.
//
// The sample lies in blocks. A block is assigned as a whole by one thread of one process, and what is summed up of it
// are integers: multiples of 2^-24, as all values in half precision are (rotated ones are rounded to them). Integers
// add up to the same in any order, so any number of threads and processes finds the same centroids to the last bit, on
// processors of one kind.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/communicator.h"

namespace retro {

class ThreadPool;

struct KMeansSample {
  uint64_t num_rows = 0;  // of all blocks
  uint64_t num_blocks = 0;
  int64_t dim = 0;
  // The rows of a block, by any thread. A rank asks for those blocks whose number modulo num_ranks is its own.
  std::function<std::vector<float>(uint64_t block)> rows;
};

// `centroids` [k, dim]: where they begin, the same on all ranks; rows of the sample drawn at random, as a rule. Returns
// where they are after so many iterations, on all ranks. A list that gets no row takes half of the one with the most:
// its centroid and that one's are set a little apart. Memory of each rank besides the sample: 12 k * dim bytes and a
// block for each thread. Throws Error: kInvalidArgument when a value is too large to be summed (2^39 / num_rows),
// kUnavailable when interrupted. REQUIRES: 0 < k < 2^32
std::vector<float> KMeans(const KMeansSample& sample, std::vector<float> centroids, int iterations, ThreadPool& pool,
                          Communicator& ranks);

}  // namespace retro
