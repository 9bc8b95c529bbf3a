// Documents and embeddings that were computed elsewhere become a retrieval database.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "index-builder/index_builder.h"

namespace retro {

struct ImportOptions {
  IndexOptions index = {};  // its corpus: only the reader's options are looked at
  // What the embeddings were made with, as the one who imports them knows it; must be the embedder's. Empty: not said.
  std::string fingerprint = {};
  // This many chunks, drawn at random, are embedded here and compared with their rows.
  uint32_t check_chunks = 16;
  double min_cosine = 0.95;  // of each of them: 16-bit and 8-bit encoders stay above it, other encoders far below
};

// `documents`: JSON lines that ExportDatabase wrote, or documents as OpenDocuments takes them, which are cut into
// chunks here. `embeddings`: a .npy matrix of single precision, a row for each chunk in their order. Makes the database
// `out` in one step; nothing is resumed. Throws Error: kInvalidArgument when the numbers of rows and chunks or the dim
// differ, a value is not finite, the fingerprint or a compared chunk disagrees, a line is no chunk; kUnavailable when
// interrupted, kNotFound, kCorruption, kIo. Then an older database in `out` is whole.
Manifest ImportDatabase(const std::filesystem::path& documents, const std::filesystem::path& embeddings,
                        const Tokenizer& tokenizer, const Embedder& embedder, const std::filesystem::path& out,
                        const ImportOptions& options, ThreadPool& pool);

}  // namespace retro
