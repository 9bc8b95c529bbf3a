// Stage "search" of a neighbour table: the nearest database chunks of every chunk of a corpus, more than the table will
// have, so that one search serves every choice among them. A chunk's candidates do not depend on how long the sequences
// are that it is a part of.
//
//   block-00000.ids, block-00000.distances ...   rows of candidates (datasets/neighbour_rows.h), block_rows chunks each
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "datasets/neighbour_rows.h"
#include "datasets/token_sequences.h"
#include "retriever/retrieval_database.h"

namespace retro {

class ThreadPool;

struct CandidateOptions {
  uint32_t candidates = 32;    // a chunk
  int nprobe = 0;              // 0: as measured when the database was built
  int rerank_factor = 0;       // the same
  uint32_t block_rows = 4096;  // the unit of work: what a kill can lose
};

// FOLDER/block-00007
std::filesystem::path CandidateBlockStem(const std::filesystem::path& folder, uint64_t block);
uint64_t NumCandidateBlocks(uint64_t num_rows, const CandidateOptions& options);

// Writes the blocks that `folder` lacks or has damaged. `chunks`: the corpus cut into sequences of the database's
// chunk_len. A chunk is embedded as the database's are, as the text of its tokens, without any title: it may have parts
// of several documents. `on_step` is called with "block N" when that is on disk. What is written does not depend on the
// number of threads. Throws Error(kUnavailable) when interrupted, kIo.
void SearchCandidates(const TokenSequences& chunks, const RetrievalDatabase& database,
                      const std::filesystem::path& folder, const CandidateOptions& options,
                      const std::function<void(std::string_view step)>& on_step, ThreadPool& pool);

// All blocks, mapped. Const methods are safe from many threads.
class CandidateBlocks {
 public:
  // Throws Error(kNotFound, kCorruption) naming the file.
  CandidateBlocks(const std::filesystem::path& folder, uint64_t num_rows, const CandidateOptions& options);

  // Best first; kNoChunk and kNoDistance from the first one on that there is not. REQUIRES: row < num_rows
  std::span<const uint64_t> Ids(uint64_t row) const { return blocks_[row / block_rows_].Ids(row % block_rows_); }
  std::span<const float> Distances(uint64_t row) const {
    return blocks_[row / block_rows_].Distances(row % block_rows_);
  }

 private:
  uint32_t block_rows_;
  std::vector<NeighbourRows> blocks_;
};

}  // namespace retro
