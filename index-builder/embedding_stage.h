// Stage "embeddings": every chunk of a corpus through the embedder, into blocks of half-precision rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/tokenizer.h"
#include "index-builder/build_block.h"
#include "index-builder/corpus_chunks.h"
#include "retriever/chunk_store.h"
#include "retriever/embedder.h"

namespace retro {

class ThreadPool;

struct EmbeddingStageOptions {
  uint32_t block_chunks = 4096;
  bool embed_title = false;
  std::function<void(std::string_view step)> on_step = {};  // "block N", when it is on disk
};

// The embeddings of chunks of `store`, one row each: of the text as PassageText gives it, and with `titles` of the
// document's title on a line before it.
std::vector<float> EmbedChunks(const ChunkReader& store, std::span<const ChunkRecord> chunks,
                               const Tokenizer& tokenizer, const Embedder& embedder, bool titles, ThreadPool& pool);

// What an embedding depends on besides its text: the embedder's fingerprint, and its precision unless that is fp32.
std::string EmbeddedBy(const Embedder& embedder);

// The file of rows in a finished block (retriever/half_embeddings.h has its format).
std::filesystem::path EmbeddingsFile(const BuildBlock& block);

// The blocks of a share, by the texts that are embedded in them: reads these. `blocks_folder`: BUILD/blocks.
std::vector<BuildBlock> EmbeddingBlocksOf(const CorpusChunks& chunks, const Tokenizer& tokenizer,
                                          const Embedder& embedder, const std::filesystem::path& blocks_folder,
                                          const BuildShare& share, const EmbeddingStageOptions& options);

// Makes those of the share that are missing. Throws Error(kUnavailable) when interrupted or when another process makes
// one of them, kIo.
void EmbedBlocks(const CorpusChunks& chunks, const Tokenizer& tokenizer, const Embedder& embedder,
                 std::span<const BuildBlock> blocks, const BuildShare& share, const EmbeddingStageOptions& options,
                 ThreadPool& pool);

}  // namespace retro
