// A database's chunks and embeddings in files that other programs read.
#pragma once

#include <cstdint>
#include <filesystem>

#include "datasets/tokenizer.h"

namespace retro {

struct ExportReport {
  uint64_t chunks = 0;
  uint64_t dim = 0;  // of the embeddings; 0 when none were written
};

// Writes JSON lines to `chunks_file`, one for each chunk that is not removed: "chunk" (its id), "document", "title",
// "source", "url", "licence", "date", "position" (of its first token in the document), "text" and "tokens" (ids). With
// `embeddings_file` not empty, its row i is the embedding of line i, in single precision (.npy). Both appear whole or
// not at all. Throws Error(kInvalidArgument) when embeddings are wanted that were not kept, kUnavailable when
// interrupted, kIo, kNotFound, kCorruption.
ExportReport ExportDatabase(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                            const std::filesystem::path& chunks_file, const std::filesystem::path& embeddings_file);

}  // namespace retro
