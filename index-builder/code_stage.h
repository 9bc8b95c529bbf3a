// Stages "codes" and "index": each block of embeddings as codes of the trained index, and the index that holds them
// all, merged by inverted list.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "index-builder/build_block.h"
#include "retriever/half_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

class ThreadPool;

// One for each block of embeddings, of the index that the block `trained` holds.
std::vector<BuildBlock> CodeBlocksOf(std::span<const BuildBlock> embeddings, const BuildBlock& trained,
                                     const std::filesystem::path& blocks_folder);

// Makes those of a share that are missing, as many at once as the pool has threads. `embeddings` and `codes` are those
// of the share, in the order of their numbers. `on_step`: "code block N". Throws Error(kUnavailable) when interrupted
// or when another process makes one of them, kNotFound when its embeddings are missing, kIo.
void EncodeBlocks(const VectorIndex& trained, std::span<const BuildBlock> embeddings, std::span<const BuildBlock> codes,
                  const BuildShare& share, const std::function<void(std::string_view step)>& on_step, ThreadPool& pool);

// Writes to `path` the trained index filled with the rows of all blocks, in their order. Throws Error(kNotFound) when
// one is missing, else as MergeCodeFiles does.
void MergeCodes(std::span<const BuildBlock> codes, VectorIndex& trained, size_t memory_bytes,
                const std::filesystem::path& path);

// The same outside of a build's blocks: the codes of all rows as files in `folder`, in the order in which
// MergeCodeFiles takes them. Throws Error(kUnavailable) when interrupted, kIo.
std::vector<std::filesystem::path> EncodeRows(const VectorIndex& trained, const HalfEmbeddings& embeddings,
                                              const std::filesystem::path& folder, ThreadPool& pool);

}  // namespace retro
