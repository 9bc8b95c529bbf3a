// One part of a retrieval database, opened: a folder as a build makes it, which never changes. Internal to retriever
// and index-builder.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/file_lease.h"
#include "core/manifest.h"
#include "retriever/chunk_store.h"
#include "retriever/document_filter.h"
#include "retriever/embedder.h"
#include "retriever/generation.h"
#include "retriever/lexical_index.h"
#include "retriever/parted_chunks.h"
#include "retriever/stored_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

class ThreadPool;

// The files of a part, claimed for as long as this lives, after the manifest has vouched for each of them.
class PartFiles {
 public:
  // Throws Error: kNotFound, kCorruption naming the file; kUnavailable when the part is just being removed, which means
  // that there is a newer generation.
  PartFiles(const GenerationPart& part, Manifest::Check check);

  const Manifest& manifest() const { return manifest_; }
  const std::string& manifest_xxh3() const { return manifest_xxh3_; }
  std::filesystem::path chunks_folder() const { return folder_ / "chunks"; }
  // Of the kept embeddings. REQUIRES: embeddings()
  std::filesystem::path embeddings_folder() const { return folder_ / EmbeddingsFolderName(*embeddings_); }
  std::filesystem::path index_file() const { return folder_ / "vectors.index"; }
  std::filesystem::path lexical_folder() const { return folder_ / "lexical"; }
  std::optional<EmbeddingPrecision> embeddings() const { return embeddings_; }  // nothing: not kept
  bool has_lexical() const { return has_lexical_; }

 private:
  std::filesystem::path folder_;
  std::string manifest_xxh3_;
  std::optional<FileLease> lease_;
  Manifest manifest_;
  std::optional<EmbeddingPrecision> embeddings_;
  bool has_lexical_ = false;
};

// Immutable; const methods are safe from many threads.
class DatabasePart {
 public:
  // Throws as PartFiles does, and Error(kCorruption) when index, chunks and embeddings are not of one build.
  DatabasePart(const GenerationPart& part, int64_t dim, Manifest::Check check);

  const std::string& manifest_xxh3() const { return files_.manifest_xxh3(); }
  const ChunkStore& chunks() const { return chunks_; }
  const VectorIndex& index() const { return index_; }
  const StoredEmbeddings* embeddings() const { return embeddings_.get(); }         // null: not kept
  const LexicalIndex* lexical() const { return lexical_ ? &*lexical_ : nullptr; }  // null: not made
  // Whether distances are those of the embeddings (to 8 bits where they are kept so), not of an index's codes.
  bool has_exact_distances() const { return embeddings_ != nullptr || index_.factory() == "Flat"; }

  // The embedding of a chunk, in single precision; false when the part does not have it.
  // REQUIRES: chunk.value < chunks().num_chunks(), out.size() == index().dim()
  bool GetEmbedding(ChunkId chunk, std::span<float> out) const;

  // As SearchReranked: the k nearest of each query that are not of a removed document and that pass options.filter,
  // under the part's own numbers. Looks at more and more candidates and lists until there are k, or until it has looked
  // at all; when few chunks pass the filter and embeddings are kept, at those alone. nprobe and rerank_factor 0: as
  // measured when the part was built.
  std::vector<std::vector<Neighbour>> Search(std::span<const float> queries, const SearchOptions& options,
                                             const RemovedChunks& removed, ThreadPool& pool) const;

  // The k best by `query`, likewise. REQUIRES: lexical() != nullptr
  std::vector<LexicalHit> SearchLexical(const LexicalQuery& query, size_t k, const DocumentFilter& filter,
                                        const RemovedChunks& removed) const;

 private:
  void CheckCount(const std::filesystem::path& path, const char* unit, uint64_t count) const;
  SearchOptions Resolve(SearchOptions options) const;
  std::vector<ChunkId> AdmittedChunks(const DocumentFilter& filter, const RemovedChunks& removed) const;

  PartFiles files_;
  ChunkStore chunks_;
  VectorIndex index_;
  std::unique_ptr<const StoredEmbeddings> embeddings_;
  std::optional<LexicalIndex> lexical_;
};

// Calls `open` with the current generation of the database in `folder` and returns what it returns; once more when that
// failed because another generation took its place meanwhile.
template <typename Open>
auto OpenCurrent(const std::filesystem::path& folder, Open&& open) {
  for (;;) {
    const DatabaseGeneration generation = DatabaseGeneration::Load(folder);
    try {
      return open(generation);
    } catch (const std::exception&) {
      if (DatabaseGeneration::CurrentStamp(folder) == generation.stamp) throw;
    }
  }
}

}  // namespace retro
