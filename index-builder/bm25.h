// BM25 over tokens: how well a document answers a query by the words that they share, rare ones counting more.
//
//   score(q, d) = sum over the tokens t of q, as often as they occur, of
//                 idf(t) * f * (k1 + 1) / (f + k1 * (1 - b + b * |d| / mean length))
//   idf(t)      = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5))
//
// with f the count of t in d, n(t) the number of documents of the collection that have t, N the number of all,
// k1 = 1.2 and b = 0.75. Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), §3.4,
// with the 1 inside the logarithm that keeps idf of a frequent token above 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ids.h"

namespace retro {

// The collection that tokens are rare or frequent in. Filled by one thread; then const methods are safe from many.
class TermStatistics {
 public:
  explicit TermStatistics(size_t vocab_size) : frequencies_(vocab_size), last_seen_(vocab_size) {}

  // Counts one document. Tokens outside the vocabulary count for its length only.
  void Add(std::span<const TokenId> document);

  double Idf(TokenId token) const;  // as of a token that no document has when it is outside the vocabulary
  double mean_length() const;       // in tokens; 0 without a document
  uint64_t num_documents() const { return num_documents_; }

 private:
  std::vector<uint64_t> frequencies_;  // documents that have the token
  std::vector<uint64_t> last_seen_;    // the number, from 1, of the last one that had it
  uint64_t num_documents_ = 0, num_tokens_ = 0;
};

// A query, to score many documents by. Const methods are safe from many threads; `statistics` must live as long.
class Bm25Query {
 public:
  Bm25Query(std::span<const TokenId> tokens, const TermStatistics& statistics);

  double Score(std::span<const TokenId> document) const;

 private:
  std::vector<TokenId> terms_;   // sorted, each once
  std::vector<double> weights_;  // of each: its count in the query times its idf
  double mean_length_;
};

}  // namespace retro
