// How retrieval reaches a decoder, without the decoder knowing of a database: token ids out, neighbours' token ids in.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/ids.h"

namespace retro {

// The neighbours of one chunk, best first: the tokens of each, at most RetroConfig::neighbour_len of them. None at all,
// and empty ones, are neighbours that there are not.
using ChunkNeighbours = std::vector<std::vector<TokenId>>;

// A chunk that has come to its end, for which neighbours are wanted.
struct RetrievalQuery {
  size_t sequence = 0;             // index of its prompt or text
  int64_t end = 0;                 // tokens of the sequence up to the end of the chunk
  std::span<const TokenId> chunk;  // its tokens, at most chunk_len; valid during the call
};

// One result for each query, in their order. Called on the thread that generates or scores.
using RetrieveFunction = std::function<std::vector<ChunkNeighbours>(std::span<const RetrievalQuery>)>;

// Calls it. Throws Error(kInternal) when it returns another number of results.
std::vector<ChunkNeighbours> CallRetrieve(const RetrieveFunction& retrieve, std::span<const RetrievalQuery> queries);

}  // namespace retro
