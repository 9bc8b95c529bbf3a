#include "index-builder/code_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/interrupt.h"
#include "core/progress.h"
#include "core/record_file.h"
#include "core/thread_pool.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/vector_stage.h"
#include "retriever/half_embeddings.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr const char* kCodesFile = "rows.codes";
constexpr size_t kListBytes = sizeof(uint32_t);

// A record: the list, then the code.
RecordFormat CodesFormat(size_t code_bytes) {
  return {.kind = "codes", .version = 1, .record_bytes = static_cast<uint32_t>(kListBytes + code_bytes)};
}

void WriteCodes(const fs::path& path, const VectorCodes& codes, size_t code_bytes) {
  std::vector<std::byte> records(codes.lists.size() * (kListBytes + code_bytes));
  std::byte* out = records.data();
  for (size_t i = 0; i < codes.lists.size(); ++i) {
    std::memcpy(out, &codes.lists[i], kListBytes);
    std::memcpy(out + kListBytes, codes.codes.data() + i * code_bytes, code_bytes);
    out += kListBytes + code_bytes;
  }
  RecordFileWriter writer(path, CodesFormat(code_bytes));
  writer.Append(std::span<const std::byte>(records));
  writer.Finish();
}

VectorCodes ReadCodes(const fs::path& path, size_t code_bytes) {
  const RecordFile file(path, CodesFormat(code_bytes));
  VectorCodes codes{.lists = std::vector<uint32_t>(file.num_records()),
                    .codes = std::vector<uint8_t>(file.num_records() * code_bytes)};
  const std::byte* in = file.payload().data();
  for (size_t i = 0; i < file.num_records(); ++i) {
    std::memcpy(&codes.lists[i], in, kListBytes);
    std::memcpy(codes.codes.data() + i * code_bytes, in + kListBytes, code_bytes);
    in += kListBytes + code_bytes;
  }
  return codes;
}

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
      WriteCodes(makers[i]->folder() / kCodesFile, encoded[i], trained.code_bytes());
      makers[i]->Finish({{"chunks", encoded[i].lists.size()}});
      progress.Add(1);
      if (on_step) on_step(fmt::format("code block {}", missing[begin + i].number()));
    }
  }
  progress.Finish();
}

void MergeCodes(std::span<const BuildBlock> codes, VectorIndex& index) {
  Progress progress("index", "blocks", codes.size());
  for (const BuildBlock& block : codes) {
    ThrowIfInterrupted();
    RequireBlock(block, "encode");
    index.AddCodes(ReadCodes(block.folder() / kCodesFile, index.code_bytes()));
    progress.Add(1);
  }
  progress.Finish();
}

}  // namespace retro
