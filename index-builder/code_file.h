// Codes of rows on their way into an index: files of a block each, sorted by list, and the index file that is merged
// from all of them list by list, so that neither the codes nor the index have to fit into memory. Internal to
// index-builder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "retriever/vector_index.h"

namespace retro {

// A record is a list (uint32), a row's number in the block (uint32) and its code; by list, then by row. Throws
// Error(kIo).
void WriteCodeFile(const std::filesystem::path& path, const VectorCodes& codes, size_t code_bytes);

// Writes to `path` the trained index filled with the rows of all files: those of a file are numbered after those of the
// file before it. Holds up to `memory_bytes` of entries at once, or one list; each file is read twice. Throws
// Error(kCorruption) when a file is none of this index, kUnavailable when interrupted, kIo.
void MergeCodeFiles(VectorIndex& trained, std::span<const std::filesystem::path> files, size_t memory_bytes,
                    const std::filesystem::path& path);

}  // namespace retro
