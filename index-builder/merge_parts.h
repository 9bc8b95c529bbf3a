// The living documents of all parts of a database become one part: tokens are copied, embeddings taken over.
#pragma once

#include <filesystem>

#include "index-builder/index_builder.h"
#include "retriever/generation.h"

namespace retro {

// Makes the folder `out`, a part as BuildIndex makes it, by the options of an index; documents are in the order of
// their numbers. What a part can give no embedding of is embedded again. Killed, it leaves OUT.building, which the next
// merge begins anew. Throws Error(kUnavailable) when interrupted, kIo, kCorruption, and as BuildIndex does.
Manifest MergeParts(const DatabaseGeneration& generation, const Tokenizer& tokenizer, const Embedder& embedder,
                    const std::filesystem::path& out, const IndexOptions& options, ThreadPool& pool);

}  // namespace retro
