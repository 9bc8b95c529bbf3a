// Stages "chunks" and "store": the documents of a corpus as table files of the chunk store, a block of them at a time,
// and then the store that holds them all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "index-builder/build_block.h"
#include "index-builder/corpus_chunks.h"

namespace retro {

struct ChunkStageOptions {
  uint32_t vocab_size = 0;
  uint64_t block_chunks = 0;                                // documents go into a block until it has so many
  std::function<void(std::string_view step)> on_step = {};  // "chunk block N" and "chunks", when on disk
};

// Table files for one store: block i holds the documents after those of block i - 1.
class ChunkBlocks {
 public:
  // Reads the documents of the blocks in `share`: their text is part of the blocks' names. `blocks_folder`:
  // BUILD/blocks.
  ChunkBlocks(const CorpusChunks& chunks, const std::filesystem::path& blocks_folder, const BuildShare& share,
              const ChunkStageOptions& options);

  // Makes those of the share that are missing. Throws Error(kUnavailable) when interrupted or when another process
  // makes one of them, kIo.
  void Make() const;
  // The store of all blocks, made where it is missing, as a folder STORE/chunks; `num_chunks` etc. are in its
  // manifest's counts. REQUIRES: the share is all. Throws as Make() does, and Error(kNotFound) when a block is missing.
  BuildBlock MakeStore() const;

 private:
  BuildBlock Describe(uint64_t number) const;
  void MakeBlock(const BuildBlock& block) const;

  const CorpusChunks& chunks_;
  std::filesystem::path blocks_folder_;
  BuildShare share_;
  ChunkStageOptions options_;
  std::vector<ChunkBlock> ranges_;  // of all blocks
  std::vector<BuildBlock> blocks_;  // of the share
};

}  // namespace retro
