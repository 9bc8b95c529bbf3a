#include "index-builder/part_writer.h"

#include "core/error.h"
#include "core/file_tree.h"
#include "index-builder/lexical_builder.h"
#include "index-builder/part_index.h"
#include "retriever/generation.h"
#include "retriever/half_embeddings.h"

namespace retro {
namespace fs = std::filesystem;

EmbeddingBlocks::EmbeddingBlocks(fs::path folder, int64_t dim, uint32_t block_chunks)
    : folder_(std::move(folder)), dim_(dim), block_chunks_(block_chunks), half_(static_cast<size_t>(dim)) {
  MakeDirectories(folder_);
}

void EmbeddingBlocks::Append(std::span<const float> row) {
  if (writer_ == nullptr) {
    writer_ = std::make_unique<RecordFileWriter>(EmbeddingsBlockPath(folder_, num_blocks_), EmbeddingsFormat(dim_));
  }
  FloatToHalf(row, half_);
  writer_->Append(std::span<const uint16_t>(half_));
  if (writer_->num_records() == block_chunks_) Finish();
}

void EmbeddingBlocks::Finish() {
  if (writer_ == nullptr) return;
  writer_->Finish();
  writer_.reset();
  ++num_blocks_;
}

Manifest FinishPart(const fs::path& folder, const nlohmann::json& counts, const char* stage, const Tokenizer& tokenizer,
                    const Embedder& embedder, const IndexOptions& options, ThreadPool& pool) {
  nlohmann::json figures = WritePartIndex(folder, embedder.dim(), options, pool);
  MeasurePartIndex(folder, tokenizer, embedder, options, figures, pool);
  if (options.on_step) options.on_step("index");
  if (options.lexical) WriteLexicalIndex(folder, tokenizer, options.memory_bytes, pool);
  const bool keep = figures.at("rerank");
  Manifest manifest;
  manifest.kind = kDatabaseKind;
  manifest.options = OptionsToJson(options);
  manifest.fingerprints = Fingerprints(tokenizer, embedder, options);
  manifest.counts = counts;
  manifest.counts["index"] = std::move(figures);
  manifest.counts["made_with"] = options.made_with;
  manifest.stages = {stage};
  manifest.AddFile(folder, "chunks");
  manifest.AddFile(folder, "vectors.index");
  if (options.lexical) manifest.AddFile(folder, "lexical");
  const std::string kept = keep ? KeepEmbeddings(folder, embedder.dim(), options) : "";
  if (keep) manifest.AddFile(folder, kept);
  if (kept != "embeddings") RemoveAll(folder / "embeddings");
  manifest.Save(folder);
  if (options.on_step) options.on_step("manifest");
  return manifest;
}

}  // namespace retro
