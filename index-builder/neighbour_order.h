// In which order the candidates of a chunk are offered to it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "index-builder/bm25.h"
#include "retriever/retrieval_database.h"

namespace retro {

enum class NeighbourOrder {
  kNone,  // as the search found them: by exact distance where the database kept its embeddings, else by the index's own
  kExact,  // by exact distance; refused where the database cannot give it
  // By BM25 of the chunk's tokens against the candidate's with its continuation (index-builder/bm25.h), token
  // frequencies being those of the whole database: among candidates alone the words of their common topic would seem
  // worth nothing, though they are what the candidates were found by. Doostmohammadi et al. 2023 ("Surface-Based
  // Retrieval Reduces Perplexity of Retrieval-Augmented Language Models") report that re-ranking so gains part of what
  // BM25 retrieval does.
  kBm25,
};

std::string_view NeighbourOrderName(NeighbourOrder order);  // "none", "exact", "bm25"
// Throws Error(kInvalidArgument) naming the three.
NeighbourOrder ParseNeighbourOrder(std::string_view name);

// Throws Error(kInvalidArgument) for kExact when the database has neither kept its embeddings nor an exact index.
void RequireOrder(NeighbourOrder order, const RetrievalDatabase& database);

// Indices of `candidates` (the tokens of each), best first; equal ones as they came.
std::vector<size_t> OrderCandidates(NeighbourOrder order, std::span<const TokenId> chunk,
                                    std::span<const std::span<const TokenId>> candidates, const TermStatistics& terms);

}  // namespace retro
