// Bits per byte of whole documents under every arm, with sums that all tables and plots are made from.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "datasets/chunk_source.h"
#include "evaluation/lm_arms.h"
#include "evaluation/lm_documents.h"
#include "model/retrieval.h"
#include "model/score.h"

namespace retro {

// The log-probabilities of a document's tokens; `retrieve` is empty where there are no neighbours, and otherwise is
// asked for those of every chunk (aligned at the first token) that comes to its end.
using LmScoreFunction = std::function<TokenScores(std::span<const TokenId> tokens, const RetrieveFunction& retrieve)>;
// The tokens of neighbours, in the order of their ids.
using NeighbourTokensFunction = std::function<ChunkNeighbours(std::span<const ChunkId>)>;

// At most neighbour_len tokens of each. The source must live as long.
NeighbourTokensFunction NeighbourTokensOf(const ChunkSource& chunks, int64_t neighbour_len);

struct LmWindow {
  int64_t window_len = 0, stride = 0;
};

// 0: the paper's window of 2048 tokens, or the decoder's context where that is shorter; a stride of half the window,
// rounded down to whole chunks. Each window begins `stride` tokens after the one before, and only tokens that no
// earlier window had are scored. Throws Error(kInvalidArgument) when the window exceeds the context, and when the
// stride is not a multiple of chunk_len, less than 1 or above the window (`aligned`: only then must it be one).
LmWindow ChooseWindow(int64_t window_len, int64_t stride, int64_t context_len, uint32_t chunk_len, bool aligned);

// What one arm gave one document.
struct LmDocumentScores {
  std::vector<double> nats;     // -ln p summed, for each chunk
  uint64_t num_greedy = 0;      // tokens that were the most probable one
  uint64_t num_queries = 0;     // chunks that neighbours were asked for, once a window
  uint64_t num_neighbours = 0;  // given to them
  int64_t num_windows = 0;
  double seconds = 0;
};

struct LmArmScores {
  LmArm arm;
  std::vector<LmDocumentScores> documents;
};

struct LmEvaluation {
  uint32_t chunk_len = 0;
  std::vector<LmDocument> documents;          // those scored
  std::vector<std::vector<double>> overlaps;  // for each document and chunk (ChunkFindings); empty without a database
  std::vector<LmArmScores> arms;
  bool interrupted = false;  // documents are the first ones only
};

struct LmArmRun {
  LmArm arm;
  LmArmNeighbours neighbours;  // for each document and chunk
};

// Scores document by document, each under every arm. `on_tokens` is told of the tokens scored. When interrupted after
// the first document, what was scored is the result. Throws Error(kCorruption) when a probability is not a number,
// Error(kUnavailable) when interrupted before; what the functions throw.
LmEvaluation EvaluateLm(std::vector<LmDocument> documents, uint32_t chunk_len, std::span<const LmArmRun> arms,
                        const LmScoreFunction& score, const NeighbourTokensFunction& neighbour_tokens,
                        const std::function<void(uint64_t)>& on_tokens = {});

}  // namespace retro
