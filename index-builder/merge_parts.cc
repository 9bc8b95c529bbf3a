#include "index-builder/merge_parts.h"

#include <algorithm>
#include <memory>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/staged_folder.h"
#include "core/thread_pool.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/part_writer.h"
#include "retriever/database_files.h"
#include "retriever/database_part.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// As when a corpus is cut into chunks: few table files, and seconds of work in each.
constexpr uint64_t kBlockTokens = uint64_t{1} << 24;

class Merger {
 public:
  Merger(const DatabaseGeneration& generation, const Tokenizer& tokenizer, const Embedder& embedder,
         const IndexOptions& options, ThreadPool& pool)
      : generation_(generation), tokenizer_(tokenizer), embedder_(embedder), options_(options), pool_(pool) {
    for (const GenerationPart& part : generation.parts) {
      parts_.push_back(std::make_unique<DatabasePart>(part, embedder.dim(), Manifest::Check::kChecksums));
    }
  }

  Manifest Merge(const fs::path& out) {
    StagedFolder staged(out, StagedFolder::Unpublished::kRemove);
    staged.Clear();
    folder_ = staged.path();
    CopyChunks();
    Step("chunks");
    CopyEmbeddings();
    Step("embeddings");
    Manifest manifest = FinishPart(folder_, counts_, "merge", tokenizer_, embedder_, options_, pool_);
    staged.Publish();
    return manifest;
  }

 private:
  void CopyChunks() {
    ChunkStoreWriter writer(folder_ / kChunksFolder, options_.chunk_len,
                            static_cast<uint32_t>(tokenizer_.vocab_size()));
    Progress progress("chunks", "chunks", generation_.Totals().chunks);
    for (size_t part = 0; part < parts_.size(); ++part) CopyDocuments(part, writer, progress);
    writer.CommitBlock();
    counts_ = {{"documents", writer.num_documents()}, {"chunks", writer.num_chunks()}, {"tokens", num_tokens_}};
    writer.Finish();
    progress.Finish();
  }

  void CopyDocuments(size_t part, ChunkStoreWriter& writer, Progress& progress) {
    const ChunkStore& chunks = parts_[part]->chunks();
    std::unordered_set<uint64_t> removed;
    for (const RemovedDocument& document : generation_.removed) {
      if (document.part == part) removed.insert(document.document);
    }
    uint64_t next = 0;  // the document that `tokens` are of
    std::vector<TokenId> tokens;
    const auto finish_until = [&](uint64_t document) {
      for (; next < document; ++next) {
        if (!removed.contains(next)) Append(chunks.Document({next}), tokens, writer);
        tokens.clear();
      }
    };
    std::vector<ChunkRecord> records;
    for (uint64_t first = 0; first < chunks.num_chunks(); first += kChunksAtOnce) {
      ThrowIfInterrupted();
      chunks.ReadRange({first}, std::min(kChunksAtOnce, chunks.num_chunks() - first), records);
      for (const ChunkRecord& chunk : records) {
        finish_until(chunk.document.value);
        tokens.insert(tokens.end(), chunk.tokens.begin(), chunk.tokens.end());
      }
      progress.Add(records.size());
    }
    finish_until(chunks.num_documents());
  }

  void Append(const DocumentInfo& info, std::span<const TokenId> tokens, ChunkStoreWriter& writer) {
    writer.Append(info, tokens);
    num_tokens_ += tokens.size();
    block_tokens_ += tokens.size();
    if (block_tokens_ < kBlockTokens) return;
    writer.CommitBlock();
    block_tokens_ = 0;
  }

  void CopyEmbeddings() {
    EmbeddingBlocks blocks(folder_ / kEmbeddingsFolder, embedder_.dim(), options_.block_chunks);
    Progress progress("embeddings", "chunks", generation_.Totals().chunks);
    for (size_t part = 0; part < parts_.size(); ++part) {
      const RemovedChunks removed(generation_.removed, part);
      const uint64_t count = parts_[part]->chunks().num_chunks();
      for (uint64_t first = 0; first < count; first += kChunksAtOnce) {
        ThrowIfInterrupted();
        std::vector<ChunkId> kept;
        const uint64_t end = std::min(first + kChunksAtOnce, count);
        for (uint64_t chunk = first; chunk < end; ++chunk) {
          if (!removed.Contains(chunk)) kept.push_back({chunk});
        }
        AppendEmbeddings(*parts_[part], kept, blocks);
        progress.Add(end - first);
      }
    }
    blocks.Finish();
    progress.Finish();
  }

  void AppendEmbeddings(const DatabasePart& part, std::span<const ChunkId> kept, EmbeddingBlocks& blocks) {
    const auto dim = static_cast<size_t>(embedder_.dim());
    std::vector<float> row(dim);
    if (part.has_exact_distances()) {
      for (const ChunkId chunk : kept) {
        part.GetEmbedding(chunk, row);
        blocks.Append(row);
      }
      return;
    }
    std::vector<ChunkRecord> records;
    for (const ChunkId chunk : kept) records.push_back(part.chunks().Get(chunk));
    const std::vector<float> rows =
        EmbedChunks(part.chunks(), records, tokenizer_, embedder_, options_.embed_title, pool_);
    for (size_t i = 0; i < kept.size(); ++i) blocks.Append(std::span(rows).subspan(i * dim, dim));
  }

  void Step(std::string_view name) const {
    if (options_.on_step) options_.on_step(name);
  }

  const DatabaseGeneration& generation_;
  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const IndexOptions& options_;
  ThreadPool& pool_;
  std::vector<std::unique_ptr<DatabasePart>> parts_;
  fs::path folder_;  // the staging folder
  nlohmann::json counts_;
  uint64_t num_tokens_ = 0, block_tokens_ = 0;
};

}  // namespace

Manifest MergeParts(const DatabaseGeneration& generation, const Tokenizer& tokenizer, const Embedder& embedder,
                    const fs::path& out, const IndexOptions& options, ThreadPool& pool) {
  return Merger(generation, tokenizer, embedder, options, pool).Merge(out);
}

}  // namespace retro
