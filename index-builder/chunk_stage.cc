#include "index-builder/chunk_stage.h"

#include "core/interrupt.h"
#include "core/progress.h"
#include "retriever/chunk_store.h"

namespace retro {
namespace {

// Seconds of work to lose, and few table files at a billion tokens.
constexpr uint64_t kBlockTokens = uint64_t{1} << 24;

}  // namespace

uint64_t WriteChunks(const Corpus& corpus, const std::filesystem::path& folder, uint32_t chunk_len,
                     uint32_t vocab_size) {
  ChunkStoreWriter writer(folder, chunk_len, vocab_size);
  Progress progress("chunks", "documents", corpus.num_documents() - writer.num_documents());
  std::vector<TokenId> tokens;
  uint64_t block_tokens = 0;
  for (uint64_t document = writer.num_documents(); document < corpus.num_documents(); ++document) {
    ThrowIfInterrupted();
    tokens.clear();
    corpus.AppendTokens({document}, tokens);
    writer.Append(corpus.Info({document}), tokens);
    progress.Add(1);
    block_tokens += tokens.size();
    if (block_tokens < kBlockTokens) continue;
    writer.CommitBlock();
    block_tokens = 0;
  }
  writer.CommitBlock();
  const uint64_t num_chunks = writer.num_chunks();
  writer.Finish();
  progress.Finish();
  return num_chunks;
}

}  // namespace retro
