// A retrieval database, opened: manifests verified, all parts of its current generation, searched by text as one.
// The folder: retriever/generation.h, docs/formats.md.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/manifest.h"
#include "retriever/chunk_store.h"
#include "retriever/embedder.h"
#include "retriever/parted_chunks.h"
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

// Immutable while open, also when the folder gets a newer generation; const methods are safe from many threads (each
// with its own pool).
class RetrievalDatabase {
 public:
  enum class Verify { kSizes, kChecksums };
  // Opens the current generation. Throws Error: kNotFound, kCorruption naming the file, kInvalidArgument when it was
  // built by another embedder or tokenizer than those given (both fingerprints are shown). No file is opened before the
  // manifest has vouched for it.
  RetrievalDatabase(const std::filesystem::path& folder, std::shared_ptr<const Embedder> embedder,
                    std::shared_ptr<const Tokenizer> tokenizer, Verify verify = Verify::kChecksums);
  ~RetrievalDatabase();

  // Whether the folder holds another generation by now: one system call. False also when the folder is gone.
  bool HasNewer() const;
  // Opens the folder's current generation. Parts that this one has as well are shared, so that little is read. Both
  // live on independently. Throws as the constructor does; then this one is as good as before.
  std::unique_ptr<RetrievalDatabase> OpenNewer() const;

  const std::filesystem::path& folder() const;
  uint64_t generation() const;  // 0: as built
  const Manifest& manifest() const;
  const PartedChunks& chunks() const;
  const Tokenizer& tokenizer() const;
  EncoderPrecision query_precision() const;  // in which texts are embedded; the chunks': EmbeddedIn(manifest())
  // Whether all distances are those of the embeddings: they were kept, or the index is exact.
  bool has_exact_distances() const;

  // The nearest chunks of each text, best first, equal distances by ChunkId, without their texts: of all parts what one
  // index of them all would find, by exact distances where the parts have them. Chunks of removed documents and those
  // that options.filter refuses are not among them; there are fewer than k only where there are not more. nprobe,
  // ef_search and rerank_factor 0: as tuned, else as measured when each part was built (counts.index of its manifest).
  // With options.lexical, by the words of chunks and texts: the k best by BM25, or by reciprocal rank fusion of the
  // hundred best by BM25 and the hundred nearest. Their order is that of the ranking; their distances are those of the
  // embeddings, as ever. Throws Error(kInvalidArgument) on options that cannot be, and naming what to run when
  // a part has no lexical index, or no exact distances.
  std::vector<std::vector<Neighbour>> Search(std::span<const std::string_view> texts, const SearchOptions& options,
                                             ThreadPool& pool) const;
  // What a search found, with text and source. `with_continuation`: the text goes on to the end of the next chunk.
  Passage GetPassage(const Neighbour& neighbour, bool with_continuation) const;
  // Both together, for one text.
  std::vector<Passage> SearchPassages(std::string_view text, const SearchOptions& options, bool with_continuation,
                                      ThreadPool& pool) const;

 private:
  struct State;
  std::vector<std::vector<Neighbour>> SearchDense(std::span<const float> queries, const SearchOptions& options,
                                                  ThreadPool& pool) const;
  std::vector<Neighbour> RankByWords(std::string_view text, std::span<const float> query,
                                     const std::vector<Neighbour>& dense, const SearchOptions& options) const;
  std::vector<ChunkId> SearchLexical(std::string_view text, size_t k, const DocumentFilter& filter) const;
  void RequireLexical() const;
  float Distance(std::span<const float> query, ChunkId chunk) const;
  explicit RetrievalDatabase(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace retro
