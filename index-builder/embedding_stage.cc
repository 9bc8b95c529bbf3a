#include "index-builder/embedding_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "core/hash.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "retriever/half_embeddings.h"
#include "retriever/passage_text.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// Chunks that go to the embedder at once: enough to keep every thread busy, few enough to answer Ctrl-C in seconds.
constexpr uint64_t kChunksPerThread = 128;

constexpr const char* kRowsFile = "rows.embeddings";

void WriteRows(const fs::path& path, int64_t dim, std::span<const uint16_t> rows) {
  RecordFileWriter writer(path, EmbeddingsFormat(dim));
  writer.Append(rows);
  writer.Finish();
}

uint64_t NumRows(const CorpusChunks& chunks, uint64_t block, uint32_t block_chunks) {
  return std::min<uint64_t>(block_chunks, chunks.num_chunks() - block * block_chunks);
}

template <typename T>
void HashSized(Hasher& hasher, std::span<const T> values) {
  const uint64_t count = values.size();
  hasher.Update(std::as_bytes(std::span(&count, 1)));
  hasher.Update(std::as_bytes(values));
}

// Of all that the embeddings of these chunks depend on, besides tokenizer and embedder.
std::string HashTexts(const CorpusChunks& chunks, ChunkId first, uint64_t count, bool titles) {
  Hasher hasher;
  for (uint64_t i = first.value; i < first.value + count; ++i) {
    const ChunkRecord chunk = chunks.Get({i});
    HashSized(hasher, std::span<const TokenId>(chunk.tokens));
    if (titles) HashSized(hasher, std::span<const char>(chunks.Document(chunk.document).title));
  }
  return hasher.HexDigest();
}

// One block is written and synced while the next one is embedded.
class BlockEmbedder {
 public:
  BlockEmbedder(const CorpusChunks& chunks, const Tokenizer& tokenizer, const Embedder& embedder,
                const EmbeddingStageOptions& options, ThreadPool& pool, uint64_t num_chunks)
      : chunks_(chunks),
        tokenizer_(tokenizer),
        embedder_(embedder),
        options_(options),
        pool_(pool),
        progress_("embeddings", "chunks", num_chunks) {}

  void Run(std::span<const BuildBlock> missing) {
    for (const BuildBlock& block : missing) {
      auto maker = std::make_shared<BlockMaker>(block);
      const ChunkId first{block.number() * options_.block_chunks};
      std::vector<uint16_t> rows = Embed(first, NumRows(chunks_, block.number(), options_.block_chunks));
      WaitForWrite();
      written_block_ = block.number();
      writing_ = std::async(std::launch::async, [this, maker = std::move(maker), rows = std::move(rows)] {
        WriteRows(maker->folder() / kRowsFile, embedder_.dim(), rows);
        maker->Finish({{"chunks", rows.size() / static_cast<size_t>(embedder_.dim())}});
      });
    }
    WaitForWrite();
    progress_.Finish();
  }

 private:
  std::vector<uint16_t> Embed(ChunkId first, uint64_t count) {
    const auto dim = static_cast<uint64_t>(embedder_.dim());
    const uint64_t batch = kChunksPerThread * pool_.num_threads();
    std::vector<uint16_t> rows(count * dim);
    std::vector<ChunkRecord> chunks;
    for (uint64_t begin = 0; begin < count; begin += batch) {
      ThrowIfInterrupted();
      const uint64_t size = std::min(batch, count - begin);
      chunks_.ReadRange({first.value + begin}, size, chunks);
      const std::vector<float> embedded =
          EmbedChunks(chunks_, chunks, tokenizer_, embedder_, options_.embed_title, pool_);
      FloatToHalf(embedded, std::span(rows).subspan(begin * dim, size * dim));
      progress_.Add(size);
    }
    return rows;
  }

  void WaitForWrite() {
    if (!writing_.valid()) return;
    writing_.get();
    if (options_.on_step) options_.on_step(fmt::format("block {}", written_block_));
  }

  const CorpusChunks& chunks_;
  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const EmbeddingStageOptions& options_;
  ThreadPool& pool_;
  Progress progress_;
  uint64_t written_block_ = 0;
  std::future<void> writing_;
};

}  // namespace

std::vector<float> EmbedChunks(const ChunkReader& store, std::span<const ChunkRecord> chunks,
                               const Tokenizer& tokenizer, const Embedder& embedder, bool titles, ThreadPool& pool) {
  std::vector<std::string> texts(chunks.size());
  pool.ParallelFor(chunks.size(), [&](size_t i) {
    texts[i] = PassageText(tokenizer, chunks[i].tokens);
    const std::string title = titles ? store.Document(chunks[i].document).title : std::string();
    if (!title.empty()) texts[i].insert(0, title + "\n");
  });
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> rows(chunks.size() * static_cast<size_t>(embedder.dim()));
  embedder.Embed(views, rows, pool);
  return rows;
}

std::string EmbeddedBy(const Embedder& embedder) {
  if (embedder.precision() == EncoderPrecision::kFp32) return embedder.fingerprint();
  return fmt::format("{} {}", embedder.fingerprint(), EncoderPrecisionName(embedder.precision()));
}

fs::path EmbeddingsFile(const BuildBlock& block) { return block.folder() / kRowsFile; }

std::vector<BuildBlock> EmbeddingBlocksOf(const CorpusChunks& chunks, const Tokenizer& tokenizer,
                                          const Embedder& embedder, const fs::path& blocks_folder,
                                          const BuildShare& share, const EmbeddingStageOptions& options) {
  std::vector<BuildBlock> blocks;
  for (uint64_t block = 0; block * options.block_chunks < chunks.num_chunks(); ++block) {
    if (!share.Has(block)) continue;
    ThrowIfInterrupted();
    const uint64_t rows = NumRows(chunks, block, options.block_chunks);
    blocks.emplace_back(
        blocks_folder, "embeddings", block,
        nlohmann::json{{"texts", HashTexts(chunks, {block * options.block_chunks}, rows, options.embed_title)},
                       {"chunks", rows},
                       {"tokenizer", tokenizer.fingerprint()},
                       {"embedder", EmbeddedBy(embedder)}});
  }
  return blocks;
}

void EmbedBlocks(const CorpusChunks& chunks, const Tokenizer& tokenizer, const Embedder& embedder,
                 std::span<const BuildBlock> blocks, const BuildShare& share, const EmbeddingStageOptions& options,
                 ThreadPool& pool) {
  const std::vector<BuildBlock> missing = MissingBlocks(blocks, share, "embedding blocks");
  uint64_t num_chunks = 0;
  for (const BuildBlock& block : missing) num_chunks += NumRows(chunks, block.number(), options.block_chunks);
  BlockEmbedder(chunks, tokenizer, embedder, options, pool, num_chunks).Run(missing);
}

}  // namespace retro
