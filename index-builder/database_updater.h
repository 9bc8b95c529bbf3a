// Changes of a retrieval database without building it again: documents added, replaced and removed, parts merged. Each
// change is a new generation (retriever/generation.h). Readers that have the database open keep theirs and see the new
// one when they open it; nobody waits for anybody. One change at a time: a second one is refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/document.h"
#include "datasets/tokenizer.h"
#include "retriever/database_editor.h"
#include "retriever/embedder.h"

namespace retro {

class ThreadPool;

struct UpdateOptions {
  size_t memory_bytes = size_t{1} << 30;  // as IndexOptions
  ReaderOptions reader = {};              // of added documents
  // Called after each durable step with its name ("links", those of a build, "generation", "cleaned"); what it throws
  // ends the change, as a kill would.
  std::function<void(std::string_view step)> on_step = {};
};

struct UpdateReport {
  bool changed = false;     // false: nothing was to do, and there is no new generation
  uint64_t generation = 0;  // that is there now
  uint64_t added_documents = 0, added_chunks = 0;
  uint64_t replaced_documents = 0;                 // older versions of added ones
  uint64_t removed_documents = 0;                  // without those
  uint64_t documents = 0, chunks = 0, tokens = 0;  // that searches find now
  uint64_t parts = 0;
  uint64_t parts_still_read = 0;  // of older generations: on disk until a change finds them without a reader

  nlohmann::json ToJson() const;
};

// A new part of the documents in `inputs` (as BuildIndex takes them), built with the options that the database was
// built with but an index that suits its size. Where the database has a document of the same id, that one is removed.
// Killed or interrupted, the same call goes on where it was. Throws Error as BuildIndex does, and: kInvalidArgument
// when the database was built with another tokenizer or embedder, kUnavailable when it is being changed, kNotFound,
// kCorruption. Then the database is what it was.
UpdateReport AddDocuments(const std::filesystem::path& folder, const std::vector<std::filesystem::path>& inputs,
                          const Tokenizer& tokenizer, const Embedder& embedder, const UpdateOptions& options,
                          ThreadPool& pool);

// The same of documents in memory, which stand in DIR/incoming.jsonl until they are added.
UpdateReport AddDocuments(const std::filesystem::path& folder, std::span<const Document> documents,
                          const Tokenizer& tokenizer, const Embedder& embedder, const UpdateOptions& options,
                          ThreadPool& pool);

// No search finds them from the next generation on; their text is on disk until CompactDatabase. Throws
// Error(kNotFound) when the database has none of them, and as AddDocuments does.
UpdateReport RemoveDocuments(const std::filesystem::path& folder, const DocumentSelection& selection,
                             const UpdateOptions& options);

// One part of all that is left, in the order of their ChunkIds, which are numbered anew. Tokens and embeddings are
// copied; only what a part without kept embeddings and with an inexact index holds is embedded again. Then the files of
// the old parts are removed, as far as no reader has them open. Throws Error as AddDocuments does, and kInvalidArgument
// when no document is left.
UpdateReport CompactDatabase(const std::filesystem::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                             const UpdateOptions& options, ThreadPool& pool);

// Keeps a database of many small changes quick and its open files few: when the last parts are eight or more and each
// is no larger than those after it together, they become one part, as CompactDatabase makes it; so n changes leave some
// log n parts, and each document is copied some log n times. Parts of together more than 20,000 chunks are left to
// CompactDatabase. Chunks of merged parts are numbered anew. Throws as CompactDatabase does.
UpdateReport MergeSmallParts(const std::filesystem::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                             const UpdateOptions& options, ThreadPool& pool);

}  // namespace retro
