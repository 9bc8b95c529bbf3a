// BM25 over the words of chunks: "which chunks share rare words with this text?" Finds names, numbers and terms that an
// embedding blurs. One index for each part of a database; row i is ChunkId i. Written by LexicalIndexWriter.
//
//   score(q, d) = sum over the terms t of q, as often as they occur, of
//                 idf(t) * f * (k1 + 1) / (f + k1 * (1 - b + b * |d| / mean length))
//   idf(t)      = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5))
//
// with f the count of t in d, n(t) the number of chunks that have t, N that of all, k1 = 0.9 and b = 0.4. Robertson and
// Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), §3.4; the values are those that passage
// retrieval commonly has. (index-builder/bm25.h scores tokens of few candidates and needs no index.)
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/record_file.h"
#include "retriever/lexical_terms.h"

namespace retro {

struct BlockRecord;
struct TermRecord;
class LexicalIndex;

// A text to search for, weighed by the collection that it is searched in. A plain value.
class LexicalQuery {
 public:
  // idf and mean length are those of all `parts` together, so that several parts rank as one index would.
  LexicalQuery(std::string_view text, std::span<const LexicalIndex* const> parts);

  struct Term {
    LexicalTerm term = 0;
    double weight = 0;  // its count in the text times its idf, times k1 + 1
  };
  const std::vector<Term>& terms() const { return terms_; }
  // What a term of weight 1 adds to the score of a chunk of `length` terms that has it `count` times.
  double Saturation(uint32_t count, uint32_t length) const;

 private:
  std::vector<Term> terms_;  // each once, only those that a chunk has, sorted
  double length_factor_ = 0;
};

struct LexicalHit {
  ChunkId chunk;
  double score = 0;
};

// Immutable, mapped from disk; const methods are safe from many threads.
class LexicalIndex {
 public:
  // Throws Error(kNotFound, kCorruption) naming the file.
  explicit LexicalIndex(const std::filesystem::path& folder);

  uint64_t num_chunks() const { return lengths_.num_records(); }
  uint64_t num_terms() const { return terms_.num_records(); }
  uint64_t total_length() const { return total_length_; }  // of all chunks, in terms
  uint64_t NumChunksWith(LexicalTerm term) const;

  // The k chunks of the highest score above 0 that `admits` lets through, best first, equal ones by ChunkId. Looks only
  // at blocks of postings that may hold one of them: Ding and Suel, "Faster Top-k Document Retrieval Using Block-Max
  // Indexes" (SIGIR 2011). `admits` is asked only of chunks that would be among the k. Throws Error(kCorruption).
  std::vector<LexicalHit> Search(const LexicalQuery& query, size_t k,
                                 const std::function<bool(ChunkId)>& admits = {}) const;

 private:
  class Cursor;
  class TopChunks;

  std::span<const BlockRecord> BlocksOf(LexicalTerm term) const;
  const TermRecord* Find(LexicalTerm term) const;
  [[noreturn]] void ThrowDamaged() const;

  std::filesystem::path folder_;
  RecordFile terms_, blocks_, postings_, lengths_;
  uint64_t total_length_ = 0;
};

}  // namespace retro
