#include "index-builder/code_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "index-builder/code_file.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/vector_stage.h"
#include "retriever/half_embeddings.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kCodesFile = "rows.codes";
// Of a file that is made outside of a build's blocks.
constexpr uint64_t kFileRows = 4096;

VectorCodes EncodeBlock(const VectorIndex& trained, const BuildBlock& embeddings) {
  RequireBlock(embeddings, "embed");
  const fs::path path = EmbeddingsFile(embeddings);
  const HalfEmbeddings rows(std::span(&path, 1), trained.dim());
  return trained.Encode(FloatRows(rows, 0, rows.size()));
}

}  // namespace

std::vector<BuildBlock> CodeBlocksOf(std::span<const BuildBlock> embeddings, const BuildBlock& trained,
                                     const fs::path& blocks_folder) {
  std::vector<BuildBlock> blocks;
  for (const BuildBlock& block : embeddings) {
    blocks.emplace_back(blocks_folder, "codes", block.number(),
                        nlohmann::json{{"embeddings", block.hash()}, {"trained index", trained.hash()}});
  }
  return blocks;
}

void EncodeBlocks(const VectorIndex& trained, std::span<const BuildBlock> embeddings, std::span<const BuildBlock> codes,
                  const BuildShare& share, const std::function<void(std::string_view step)>& on_step,
                  ThreadPool& pool) {
  const std::vector<BuildBlock> missing = MissingBlocks(codes, share, "code blocks");
  Progress progress("codes", "blocks", missing.size());
  for (size_t begin = 0; begin < missing.size(); begin += pool.num_threads()) {
    ThrowIfInterrupted();
    const size_t count = std::min(pool.num_threads(), missing.size() - begin);
    std::vector<std::unique_ptr<BlockMaker>> makers;
    for (size_t i = 0; i < count; ++i) makers.push_back(std::make_unique<BlockMaker>(missing[begin + i]));
    std::vector<VectorCodes> encoded(count);
    pool.ParallelFor(count, [&](size_t i) {
      encoded[i] = EncodeBlock(trained, embeddings[missing[begin + i].number() / share.count]);
    });
    for (size_t i = 0; i < count; ++i) {
      WriteCodeFile(makers[i]->folder() / kCodesFile, encoded[i], trained.code_bytes());
      makers[i]->Finish({{"chunks", encoded[i].lists.size()}});
      progress.Add(1);
      if (on_step) on_step(fmt::format("code block {}", missing[begin + i].number()));
    }
  }
  progress.Finish();
}

void MergeCodes(std::span<const BuildBlock> codes, VectorIndex& trained, size_t memory_bytes, const fs::path& path) {
  std::vector<fs::path> files;
  for (const BuildBlock& block : codes) {
    ThrowIfInterrupted();
    RequireBlock(block, "encode");
    files.push_back(block.folder() / kCodesFile);
  }
  MergeCodeFiles(trained, files, memory_bytes, path);
}

std::vector<fs::path> EncodeRows(const VectorIndex& trained, const HalfEmbeddings& embeddings, const fs::path& folder,
                                 ThreadPool& pool) {
  MakeDirectories(folder);
  std::vector<fs::path> files;
  for (uint64_t begin = 0; begin < embeddings.size(); begin += kFileRows) {
    files.push_back(folder / fmt::format("{:06}.codes", files.size()));
  }
  Progress progress("codes", "vectors", embeddings.size());
  pool.ParallelFor(files.size(), [&](size_t i) {
    ThrowIfInterrupted();
    const uint64_t begin = i * kFileRows, end = std::min(begin + kFileRows, embeddings.size());
    WriteCodeFile(files[i], trained.Encode(FloatRows(embeddings, begin, end)), trained.code_bytes());
    progress.Add(end - begin);
  });
  progress.Finish();
  return files;
}

}  // namespace retro
