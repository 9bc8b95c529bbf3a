// Nearest embeddings: FAISS behind a narrow door. Row i of the index is ChunkId i.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "retriever/document_filter.h"

namespace retro {

class ThreadPool;

// How a database ranks chunks for a text: by embedding, by the words that they share (BM25), or by both rankings fused.
enum class LexicalMode { kOff, kOnly, kFuse };

struct SearchOptions {
  int k = 2;
  int nprobe = 0;              // 0: the value chosen when the index was built, or tuned since
  int ef_search = 0;           // centroids that HNSW looks at to name nprobe lists; 0: as tuned, else 2 * nprobe
  int rerank_factor = 0;       // candidates = k * factor, re-ranked by exact distance; 0: as chosen at build time
  DocumentFilter filter = {};  // of documents; an index alone knows none and does not look at it
  LexicalMode lexical = LexicalMode::kOff;  // of a database's searches; likewise
};

struct Neighbour {
  ChunkId chunk;
  float distance = 0;  // squared L2; for unit vectors cosine = 1 - distance / 2
};

// Vectors as an index with inverted lists keeps them: of vector i its list, and code_bytes() bytes of `codes`.
struct VectorCodes {
  std::vector<uint32_t> lists;
  std::vector<uint8_t> codes;
};

// What one list holds.
struct ListEntries {
  std::span<const int64_t> rows;
  std::span<const uint8_t> codes;  // code_bytes() for each row
};

// Built, then read-only: Search is safe from many threads.
class VectorIndex {
 public:
  // "Flat" (exact) up to 20,000 vectors, else IVF with about 4 sqrt(n) lists and 4-bit PQ; from 16,384 lists on the
  // lists' centroids are searched by HNSW. 4-bit codes alone find under half of the true neighbours: re-rank exactly
  // (retriever/reranked_search.h).
  static std::string ChooseFactory(uint64_t num_vectors, int64_t dim);

  // Untrained, empty. Throws Error(kInvalidArgument) naming the factory string when FAISS refuses it.
  VectorIndex(int64_t dim, const std::string& factory);
  // Throws Error(kCorruption, kIo). REQUIRES: the file's checksum was verified: FAISS trusts its input.
  static VectorIndex Load(const std::filesystem::path& path);
  VectorIndex(VectorIndex&&) noexcept;
  ~VectorIndex();

  bool NeedsTraining() const;
  uint64_t TrainingVectors() const;  // how many the factory wants; 0 when it needs none
  // What is not trained yet, on all cores. Throws Error(kInvalidArgument) when they are too few.
  void Train(std::span<const float> vectors);
  // The lists' centroids can be found by many processes (index-builder/kmeans.h), before Train does the rest on one
  // thread: TrainTransforms, then k-means over what Transform makes of a sample, then SetCentroids with its result.
  uint64_t num_centroids_wanted() const;  // 0: no such lists, or they have centroids already
  int64_t centroid_dim() const;           // REQUIRES: num_centroids_wanted() > 0
  void TrainTransforms(std::span<const float> vectors);
  // By any thread, on that thread. REQUIRES: TrainTransforms was called
  std::vector<float> Transform(std::span<const float> vectors) const;
  void SetCentroids(std::span<const float> centroids);  // REQUIRES: as many rows of centroid_dim() as are wanted
  void Add(std::span<const float> vectors);             // on all cores. REQUIRES: !NeedsTraining()
  // Bytes of a vector's code; 0: vectors of this kind of index have none apart from it (it has no lists).
  size_t code_bytes() const;
  uint64_t num_lists() const;  // 0: it has none
  // What Add would store of each vector: by any thread, process or machine that has the trained index. On the calling
  // thread. Who wants the same bits again encodes the same batch, since FAISS's products round by the batch's shape.
  // REQUIRES: !NeedsTraining(), code_bytes() > 0
  VectorCodes Encode(std::span<const float> vectors) const;
  void Save(const std::filesystem::path& path) const;  // atomically
  // What Save would write if vectors that were encoded had been added, without having them in memory: `read` is called
  // for each list from the first to the last and gives as many entries as `sizes` says, by ascending row; what it
  // gives must live until the next call. On one thread, during which nobody searches. Throws Error(kIo), and what
  // `read` throws. REQUIRES: an empty index with code_bytes() > 0; the rows of all lists together are 0, 1, 2, ...
  using ListReader = std::function<ListEntries(uint64_t list)>;
  void SaveFilled(const std::filesystem::path& path, std::span<const uint64_t> sizes, const ListReader& read);

  // Up to k nearest of each query by the index's own (for PQ: approximate) distances, nearest first and equal ones by
  // ChunkId; fewer when the index or the lists that were looked at hold fewer, or HNSW's graph leads to fewer. nprobe
  // 0: 1/16 of the lists; ef_search has a meaning only where HNSW finds the lists. Runs on the calling thread;
  // rerank_factor is not looked at. Throws Error(kInvalidArgument) on k, nprobe or ef_search < 0, k == 0, and on
  // queries that are not finite.
  std::vector<std::vector<Neighbour>> Search(std::span<const float> queries, const SearchOptions& options) const;

  // A vector as it was added, where the index keeps them so ("Flat"); else nothing. REQUIRES: chunk.value < size()
  std::span<const float> ExactRow(ChunkId chunk) const;

  uint64_t size() const;
  int64_t dim() const;
  const std::string& factory() const;

 private:
  struct State;
  explicit VectorIndex(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace retro
