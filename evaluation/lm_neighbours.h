// The database chunks near to the chunks of held-out documents: found once, used by every arm of `retro eval lm`.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/ids.h"
#include "evaluation/lm_documents.h"
#include "model/retro_config.h"
#include "retriever/retrieval_database.h"

namespace retro {

// A database chunk and the hash of its document's id, by which a document knows itself.
struct FoundChunk {
  ChunkId chunk;
  uint64_t document = 0;

  friend bool operator==(const FoundChunk&, const FoundChunk&) = default;
};

// What the database has for one chunk of a document.
struct ChunkFindings {
  // Borgeaud et al. 2022, section 2.6: the longest run of tokens that the chunk shares with one of its ten nearest
  // database chunks (continuation included), as a share of the chunk. Here the document's own chunks count too: a
  // document that is in the database is known to whoever was trained on it.
  double overlap = 0;
  // For each fraction of the database, the nearest chunks, best first; none of the document itself.
  std::vector<std::vector<FoundChunk>> by_fraction;
};

struct LmNeighbourOptions {
  // Shares of the database's documents to keep, chosen by a hash of their ids, the smaller ones within the larger: what
  // a search of so small a database would find (Shao et al. 2024, arXiv 2407.12854, lemma A.3).
  std::vector<double> fractions = {1.0};
  int num_neighbours = 2;     // for each chunk and fraction
  int num_candidates = 0;     // that the one search finds; 0: as many as nearly always leave enough
  uint64_t seed = 0;          // of the fractions
  SearchOptions search = {};  // nprobe and rerank_factor; k is not looked at
};

struct LmNeighbours {
  std::vector<std::vector<ChunkFindings>> findings;  // for each document and chunk
  int num_candidates = 0;
  std::vector<uint64_t> num_short;  // for each fraction: chunks with fewer neighbours than wanted
  uint64_t documents_met = 0;       // evaluated documents that the search met in the database, by id
};

// `on_chunks` is told of the chunks done. Throws Error(kInvalidArgument) on fractions outside (0, 1],
// Error(kUnavailable) when interrupted. REQUIRES: the documents were cut into chunks of the database's length
LmNeighbours FindLmNeighbours(const RetrievalDatabase& database, std::span<const LmDocument> documents,
                              const LmNeighbourOptions& options, ThreadPool& pool,
                              const std::function<void(uint64_t)>& on_chunks = {});

// Throws Error(kInvalidArgument), naming both, when the model learned from chunks of another length or from neighbours
// that another embedder found. `model` names it.
void RequireDatabaseOf(const std::string& model, const RetroConfig& retro, const RetrievalDatabase& database);

// How many candidates leave `wanted` of them, but for very few chunks, when each stays with probability `fraction`.
int ChooseCandidates(int wanted, double fraction);

uint64_t DocumentHash(const std::string& id);

// The document (as a hash of its id) of each chunk of a store, remembered. One thread at a time.
class ChunkDocuments {
 public:
  explicit ChunkDocuments(const ChunkReader& chunks) : chunks_(chunks) {}
  uint64_t HashOf(ChunkId chunk);

 private:
  const ChunkReader& chunks_;
  std::unordered_map<DocumentIndex, uint64_t> hashes_;
};

}  // namespace retro
