#include "index-builder/embedding_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <system_error>

#include "core/error.h"
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

bool IsGoodBlock(const fs::path& path, int64_t dim, uint64_t rows) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  try {
    const RecordFile file(path, EmbeddingsFormat(dim));
    file.VerifyChecksum();
    return file.num_records() == rows;
  } catch (const Error& found) {
    if (found.code() != ErrorCode::kCorruption) throw;
    return false;  // it is embedded again
  }
}

void WriteBlock(const fs::path& path, int64_t dim, std::span<const uint16_t> rows) {
  RecordFileWriter writer(path, EmbeddingsFormat(dim));
  writer.Append(rows);
  writer.Finish();
}

// One block is written and synced while the next one is embedded.
class BlockEmbedder {
 public:
  BlockEmbedder(const ChunkStore& store, const Tokenizer& tokenizer, const Embedder& embedder, const fs::path& folder,
                const EmbeddingStageOptions& options, ThreadPool& pool)
      : store_(store),
        tokenizer_(tokenizer),
        embedder_(embedder),
        folder_(folder),
        options_(options),
        pool_(pool),
        progress_("embeddings", "chunks", store.num_chunks()) {}

  void Run() {
    const uint64_t num_blocks = (store_.num_chunks() + options_.block_chunks - 1) / options_.block_chunks;
    for (uint64_t block = 0; block < num_blocks; ++block) {
      const uint64_t first = block * options_.block_chunks;
      const uint64_t count = std::min<uint64_t>(options_.block_chunks, store_.num_chunks() - first);
      if (IsGoodBlock(EmbeddingsBlockPath(folder_, block), embedder_.dim(), count)) {
        progress_.Add(count);
        continue;
      }
      std::vector<uint16_t> rows = Embed({first}, count);
      WaitForWrite();
      written_block_ = block;
      writing_ = std::async(std::launch::async, [this, block, rows = std::move(rows)] {
        WriteBlock(EmbeddingsBlockPath(folder_, block), embedder_.dim(), rows);
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
      store_.ReadRange({first.value + begin}, size, chunks);
      const std::vector<float> embedded =
          EmbedChunks(store_, chunks, tokenizer_, embedder_, options_.embed_title, pool_);
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

  const ChunkStore& store_;
  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  fs::path folder_;
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

void EmbedStore(const ChunkStore& store, const Tokenizer& tokenizer, const Embedder& embedder, const fs::path& folder,
                const EmbeddingStageOptions& options, ThreadPool& pool) {
  MakeDirectories(folder);
  BlockEmbedder(store, tokenizer, embedder, folder, options, pool).Run();
}

}  // namespace retro
