// A retrieval database, opened: manifest verified, index and chunks of one build, searched by text.
// The folder: manifest.json, vectors.index, chunks/ and, when it was built so, embeddings/ (docs/formats.md).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/manifest.h"
#include "retriever/chunk_store.h"
#include "retriever/embedder.h"
#include "retriever/half_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

// A chunk that was found, with all that a person wants to see of it.
struct Passage {
  ChunkId chunk;
  float score = 0;   // cosine of question and chunk
  std::string text;  // valid UTF-8; characters that the chunk's ends cut are left out
  DocumentInfo document;
  uint64_t position = 0;  // of its first token in the document
};

// Immutable while open; const methods are safe from many threads (each with its own pool).
class RetrievalDatabase {
 public:
  enum class Verify { kSizes, kChecksums };
  // Throws Error: kNotFound, kCorruption naming the file, kInvalidArgument when it was built by another embedder or
  // tokenizer than those given (both fingerprints are shown). No file is opened before the manifest has vouched for it.
  RetrievalDatabase(const std::filesystem::path& folder, std::shared_ptr<const Embedder> embedder,
                    std::shared_ptr<const Tokenizer> tokenizer, Verify verify = Verify::kChecksums);
  ~RetrievalDatabase();

  const std::filesystem::path& folder() const;
  const Manifest& manifest() const;
  const ChunkStore& chunks() const;
  const VectorIndex& index() const;
  const HalfEmbeddings* embeddings() const;  // null when they were not kept
  const Tokenizer& tokenizer() const;

  // The nearest chunks of each text, best first, without their texts. nprobe and rerank_factor 0: as measured when the
  // database was built (counts.index of the manifest).
  std::vector<std::vector<Neighbour>> Search(std::span<const std::string_view> texts, const SearchOptions& options,
                                             ThreadPool& pool) const;
  // What a search found, with text and source. `with_continuation`: the text goes on to the end of the next chunk.
  Passage GetPassage(const Neighbour& neighbour, bool with_continuation) const;
  // Both together, for one text.
  std::vector<Passage> SearchPassages(std::string_view text, const SearchOptions& options, bool with_continuation,
                                      ThreadPool& pool) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
