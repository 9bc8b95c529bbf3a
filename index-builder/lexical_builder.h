// The lexical index of a database's chunks: made with a part, or for the parts of a database that has none.
#pragma once

#include <cstdint>
#include <filesystem>

#include "datasets/tokenizer.h"
#include "index-builder/database_updater.h"
#include "retriever/chunk_store.h"

namespace retro {

class ThreadPool;

// Writes FOLDER/lexical of all chunks of FOLDER/chunks, each with the title of its document. `memory_bytes` bounds the
// postings that are sorted at once. What an earlier call left there is replaced. Throws Error(kIo), kUnavailable when
// interrupted.
void WriteLexicalIndex(const std::filesystem::path& folder, const Tokenizer& tokenizer, size_t memory_bytes,
                       ThreadPool& pool);

// Gives every part that has none a lexical index, in one new generation: a part is replaced by one of the same chunks,
// whose other files are the old ones under second names. Documents that are added later, and merged parts, have one
// from then on. Removed documents are left out of searches, and of the index when parts are merged. Does nothing when
// every part has one. Killed, it begins anew. Throws Error as AddDocuments does.
UpdateReport AddLexicalIndex(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                             const UpdateOptions& options, ThreadPool& pool);

}  // namespace retro
