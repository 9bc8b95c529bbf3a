// Stage "choice" of a neighbour table: of the candidates of a chunk, the k that it may have.
//
//   1. None from a document that the chunk's whole sequence or the token after it touches, by the document's id: the
//      database may be of another corpus that holds it too (Borgeaud et al. 2022, §2.1).
//   2. The others in the order that was asked for.
//   3. From the first on, none that gives the next chunk away: with more than max_next_overlap of chunk_len in its
//   longest
//      run of tokens shared with that chunk (§2.6). And none that repeats one chosen before it: with more than
//      max_row_overlap of its chunk in the longest run shared with that one.
//
// A neighbour is read with its continuation, as far as its document goes.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "datasets/corpus.h"
#include "datasets/token_sequences.h"
#include "index-builder/chunk_survey.h"
#include "index-builder/neighbour_candidates.h"
#include "index-builder/neighbour_order.h"
#include "retriever/chunk_store.h"

namespace retro {

struct SelectionOptions {
  uint32_t k = 2;
  NeighbourOrder order = NeighbourOrder::kNone;
  double max_next_overlap = 1;  // 0 to 1; 1 keeps all
  double max_row_overlap = 1;   // the same
};

// What was chosen and why not more.
struct SelectionCounts {
  // Eighths of a chunk: the first has the neighbours that share up to 12.5 % of the next chunk, called free of leakage.
  static constexpr size_t kOverlapBins = 8;

  uint64_t rows = 0, short_rows = 0, empty_rows = 0;  // all; with fewer than k neighbours; with none
  uint64_t candidates = 0, neighbours = 0;
  uint64_t same_document = 0, next_overlap = 0,
           row_overlap = 0;                          // candidates dropped by each rule, until a row was full
  uint64_t short_neighbours = 0;                     // chosen, but less than two chunks long
  double distances = 0;                              // sum over the chosen
  std::array<uint64_t, kOverlapBins> overlaps = {};  // the chosen, by what they share with the next chunk

  SelectionCounts& operator+=(const SelectionCounts& other);
  nlohmann::json ToJson() const;  // docs/formats.md, "Neighbour table"
};

// Const methods are safe from many threads; what the constructor is given must live as long.
class NeighbourSelector {
 public:
  NeighbourSelector(const Corpus& corpus, const TokenSequences& sequences, const ChunkReader& chunks,
                    const ChunkSurvey& survey, const CandidateBlocks& candidates, const SelectionOptions& options);

  // The rows of all chunks of a sequence, filled up with kNoChunk and kNoDistance.
  // REQUIRES: ids.size() == distances.size() == chunks_per_sequence() * k
  SelectionCounts Select(uint64_t sequence, std::span<uint64_t> ids, std::span<float> distances) const;

  uint32_t chunks_per_sequence() const { return sequences_.seq_len() / chunk_len_; }

 private:
  struct Row;

  std::vector<DocumentKey> DocumentsOf(uint64_t sequence) const;
  Row ReadRow(uint64_t row, std::span<const DocumentKey> documents, SelectionCounts& counts) const;
  void Choose(const Row& row, std::span<uint64_t> ids, std::span<float> distances, SelectionCounts& counts) const;

  const Corpus& corpus_;
  const TokenSequences& sequences_;
  const ChunkReader& chunks_;
  const ChunkSurvey& survey_;
  const CandidateBlocks& candidates_;
  const SelectionOptions& options_;
  uint32_t chunk_len_;
};

}  // namespace retro
