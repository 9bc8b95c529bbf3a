// What parts have in common that are made of embeddings which are there already: merged and imported ones. Internal to
// index-builder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/manifest.h"
#include "core/record_file.h"
#include "index-builder/index_builder.h"

namespace retro {

// Rows in half precision, in blocks of a fixed number, as a build writes them. One thread at a time.
class EmbeddingBlocks {
 public:
  EmbeddingBlocks(std::filesystem::path folder, int64_t dim, uint32_t block_chunks);

  // REQUIRES: row.size() == dim
  void Append(std::span<const float> row);
  void Finish();

 private:
  std::filesystem::path folder_;
  int64_t dim_;
  uint32_t block_chunks_;
  uint64_t num_blocks_ = 0;
  std::vector<uint16_t> half_;
  std::unique_ptr<RecordFileWriter> writer_;
};

// FOLDER has chunks/ and embeddings/: makes the index, measures it, and writes the manifest with `counts` (documents,
// chunks, tokens) and `stage`. Embeddings that are not to be kept are removed.
Manifest FinishPart(const std::filesystem::path& folder, const nlohmann::json& counts, const char* stage,
                    const Tokenizer& tokenizer, const Embedder& embedder, const IndexOptions& options,
                    ThreadPool& pool);

}  // namespace retro
