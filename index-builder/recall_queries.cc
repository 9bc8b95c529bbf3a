#include "index-builder/recall_queries.h"

#include <algorithm>

#include "index-builder/embedding_stage.h"
#include "index-builder/sample.h"

namespace retro {

std::vector<float> MakeRecallQueries(const ChunkReader& chunks, const Tokenizer& tokenizer, const Embedder& embedder,
                                     const RecallQueryOptions& options, ThreadPool& pool) {
  const uint64_t automatic = std::clamp<uint64_t>(chunks.num_chunks() / 100, 100, 1000);
  const uint64_t count = options.count > 0 ? options.count : automatic;
  std::vector<ChunkRecord> halves;
  for (const uint64_t id : SampleWithoutReplacement(chunks.num_chunks(), count, options.seed)) {
    ChunkRecord chunk = chunks.Get({id});
    chunk.tokens.resize((chunk.tokens.size() + 1) / 2);
    halves.push_back(std::move(chunk));
  }
  return EmbedChunks(chunks, halves, tokenizer, embedder, /*titles=*/false, pool);
}

}  // namespace retro
