#include "retriever/half_embeddings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "retriever/half_distance.h"

namespace retro {
namespace {

// Rows are read at random places, so the processor is told of them this many candidates before they are needed.
constexpr size_t kPrefetchRows = 4;
constexpr size_t kCacheLineBytes = 64;

void PrefetchRow(const uint16_t* row, int64_t dim) {
  const char* bytes = reinterpret_cast<const char*>(row);
  for (size_t offset = 0; offset < dim * sizeof(uint16_t); offset += kCacheLineBytes) {
    __builtin_prefetch(bytes + offset);
  }
}

uint64_t CountBlocks(const std::filesystem::path& folder) {
  std::error_code error;
  uint64_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    count += entry.path().extension() == ".embeddings";
  }
  if (error || count == 0) {
    Throw(ErrorCode::kNotFound,
          "{}: no embeddings (block-00000.embeddings); build the database with its embeddings kept", folder.string());
  }
  return count;
}

std::vector<std::filesystem::path> BlocksOf(const std::filesystem::path& folder) {
  const uint64_t count = CountBlocks(folder);
  std::vector<std::filesystem::path> blocks;
  for (uint64_t block = 0; block < count; ++block) {
    blocks.push_back(EmbeddingsBlockPath(folder, block));
    if (std::filesystem::exists(blocks.back())) continue;
    Throw(ErrorCode::kCorruption, "{} is missing though {} blocks are there; build the index again",
          blocks.back().string(), count);
  }
  return blocks;
}

}  // namespace

RecordFormat EmbeddingsFormat(int64_t dim) {
  return {.kind = "embeddings", .version = 1, .record_bytes = static_cast<uint32_t>(dim * sizeof(uint16_t))};
}

std::filesystem::path EmbeddingsBlockPath(const std::filesystem::path& folder, uint64_t block) {
  return folder / fmt::format("block-{:05}.embeddings", block);
}

HalfEmbeddings::HalfEmbeddings(const std::filesystem::path& folder, int64_t dim)
    : HalfEmbeddings(BlocksOf(folder), dim) {}

HalfEmbeddings::HalfEmbeddings(std::span<const std::filesystem::path> blocks, int64_t dim) : dim_(dim), starts_{0} {
  blocks_.reserve(blocks.size());
  for (const auto& path : blocks) {
    blocks_.emplace_back(path, EmbeddingsFormat(dim));
    rows_.push_back(blocks_.back().Records<uint16_t>().data());
    starts_.push_back(starts_.back() + blocks_.back().num_records());
  }
}

std::span<const uint16_t> HalfEmbeddings::Row(ChunkId chunk) const {
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), chunk.value);
  const size_t block = next - starts_.begin() - 1;
  return {rows_[block] + (chunk.value - starts_[block]) * dim_, static_cast<size_t>(dim_)};
}

void HalfEmbeddings::Get(ChunkId chunk, std::span<float> out) const { HalfToFloat(Row(chunk), out); }

void HalfEmbeddings::Distances(std::span<const float> query, std::span<const ChunkId> chunks,
                               std::span<float> out) const {
  const uint16_t* ahead[kPrefetchRows];
  const size_t count = chunks.size();
  for (size_t i = 0; i < std::min(count, kPrefetchRows); ++i) {
    ahead[i] = Row(chunks[i]).data();
    PrefetchRow(ahead[i], dim_);
  }
  for (size_t i = 0; i < count; ++i) {
    const uint16_t* row = ahead[i % kPrefetchRows];
    if (i + kPrefetchRows < count) {
      ahead[i % kPrefetchRows] = Row(chunks[i + kPrefetchRows]).data();
      PrefetchRow(ahead[i % kPrefetchRows], dim_);
    }
    out[i] = HalfDistance(query.data(), row, dim_);
  }
}

}  // namespace retro
