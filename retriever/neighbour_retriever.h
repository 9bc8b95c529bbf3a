// Neighbours for chunked cross-attention from a retrieval database: what model/retrieval.h asks for, and a record of
// which neighbours fed which chunk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "model/retrieval.h"
#include "model/retro_config.h"
#include "retriever/retrieval_database.h"

namespace retro {

class ThreadPool;

struct RetrievedChunk {
  size_t sequence = 0;
  int64_t end = 0;                  // tokens of the sequence up to the end of the chunk
  std::vector<Passage> neighbours;  // best first, each with its continuation
};

// A chunk's tokens are written as text, which is embedded and searched as a question is; each neighbour comes with its
// continuation, cut to what the model takes. One thread at a time.
class NeighbourRetriever {
 public:
  // `tokenizer`: the decoder's. `options.k`: neighbours of a chunk. `pool` must outlive the retriever. Throws
  // Error(kInvalidArgument) when the database was made with another tokenizer, chunk length or embedder than the model,
  // showing both.
  NeighbourRetriever(std::shared_ptr<const RetrievalDatabase> database, const RetroConfig& config,
                     const Tokenizer& tokenizer, const SearchOptions& options, ThreadPool& pool);

  // Chunks that are no neighbours of a sequence: those that it has in its prompt.
  void Exclude(size_t sequence, std::span<const Passage> passages);
  // What the chunks of all sequences that end after at most `end` tokens get instead of a search: the passages of a
  // question.
  void GiveUpTo(int64_t end, std::span<const Passage> passages);

  std::vector<ChunkNeighbours> Retrieve(std::span<const RetrievalQuery> queries);
  // Refers to this object.
  RetrieveFunction Function();

  // In the order of the queries.
  const std::vector<RetrievedChunk>& retrieved() const { return retrieved_; }

 private:
  void Check(const RetroConfig& config, const Tokenizer& tokenizer) const;
  std::vector<std::vector<Passage>> Search(std::span<const RetrievalQuery> queries) const;
  ChunkNeighbours Tokens(std::span<const Passage> passages) const;

  std::shared_ptr<const RetrievalDatabase> database_;
  int64_t neighbour_len_;
  SearchOptions options_;
  ThreadPool& pool_;
  std::map<size_t, std::set<uint64_t>> excluded_;  // chunks, by sequence
  int64_t given_up_to_ = 0;
  std::vector<Passage> given_;
  std::vector<RetrievedChunk> retrieved_;
};

}  // namespace retro
