// Stage "embeddings": every chunk of a store through the embedder, into blocks of half-precision rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "datasets/tokenizer.h"
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

// Writes the blocks that `folder` lacks or has damaged (retriever/half_embeddings.h names them). Throws
// Error(kUnavailable) when interrupted, kIo.
void EmbedStore(const ChunkStore& store, const Tokenizer& tokenizer, const Embedder& embedder,
                const std::filesystem::path& folder, const EmbeddingStageOptions& options, ThreadPool& pool);

}  // namespace retro
