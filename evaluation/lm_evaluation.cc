#include "evaluation/lm_evaluation.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/error.h"
#include "core/interrupt.h"

namespace retro {
namespace {

constexpr int64_t kPaperWindow = 2048;

// The neighbours of one document's chunks, as the decoder asks for them.
class DocumentRetrieval {
 public:
  DocumentRetrieval(const LmDocument& document, uint32_t chunk_len, const std::vector<std::vector<ChunkId>>& neighbours,
                    const NeighbourTokensFunction& tokens, LmDocumentScores& scores)
      : document_(document), chunk_len_(chunk_len), neighbours_(neighbours), tokens_(tokens), scores_(scores) {}

  std::vector<ChunkNeighbours> operator()(std::span<const RetrievalQuery> queries) const {
    std::vector<ChunkNeighbours> found;
    for (const RetrievalQuery& query : queries) {
      const std::vector<ChunkId>& ids = neighbours_[ChunkOf(query)];
      found.push_back(ids.empty() ? ChunkNeighbours{} : tokens_(ids));
      ++scores_.num_queries;
      scores_.num_neighbours += ids.size();
    }
    return found;
  }

 private:
  // A decoder that counts its chunks otherwise would get neighbours of the wrong ones, and nobody would see it.
  size_t ChunkOf(const RetrievalQuery& query) const {
    const auto length = static_cast<int64_t>(document_.tokens.size());
    const bool whole = query.end > 0 && query.end <= length && query.end % chunk_len_ == 0;
    if (!whole ||
        !std::ranges::equal(query.chunk, std::span(document_.tokens).subspan(query.end - chunk_len_, chunk_len_))) {
      Throw(ErrorCode::kInternal, "neighbours were asked for a chunk that ends at token {} and is none of document {}",
            query.end, document_.id);
    }
    return query.end / chunk_len_ - 1;
  }

  const LmDocument& document_;
  int64_t chunk_len_;
  const std::vector<std::vector<ChunkId>>& neighbours_;
  const NeighbourTokensFunction& tokens_;
  LmDocumentScores& scores_;
};

class Evaluator {
 public:
  Evaluator(std::vector<LmDocument> documents, uint32_t chunk_len, std::span<const LmArmRun> arms,
            const LmScoreFunction& score, const NeighbourTokensFunction& neighbour_tokens)
      : arms_(arms), score_(score), neighbour_tokens_(neighbour_tokens) {
    out_.chunk_len = chunk_len;
    out_.documents = std::move(documents);
    for (const LmArmRun& run : arms) out_.arms.push_back({.arm = run.arm, .documents = {}});
  }

  LmEvaluation Run(const std::function<void(uint64_t)>& on_tokens) {
    for (size_t d = 0; d < out_.documents.size() && !out_.interrupted; ++d) {
      try {
        for (size_t a = 0; a < arms_.size(); ++a) {
          Score(d, a);
          if (on_tokens) on_tokens(out_.documents[d].num_scored());
        }
      } catch (const Error&) {
        if (!Interrupted() || d == 0) throw;
        StopBefore(d);
      }
    }
    return std::move(out_);
  }

 private:
  void Score(size_t d, size_t a) {
    ThrowIfInterrupted();
    const auto start = std::chrono::steady_clock::now();
    const LmDocument& document = out_.documents[d];
    LmDocumentScores scores;
    RetrieveFunction retrieve;
    if (arms_[a].arm.kind != LmArmKind::kOff) {
      retrieve = DocumentRetrieval(document, out_.chunk_len, arms_[a].neighbours[d], neighbour_tokens_, scores);
    }
    const TokenScores tokens = score_(document.tokens, retrieve);
    Sum(document, tokens, arms_[a].arm, scores);
    scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    out_.arms[a].documents.push_back(std::move(scores));
  }

  void Sum(const LmDocument& document, const TokenScores& tokens, const LmArm& arm, LmDocumentScores& scores) const {
    scores.nats.assign(document.num_chunks(), 0.0);
    scores.num_windows = tokens.num_windows;
    for (size_t i = 1; i < document.tokens.size(); ++i) {
      if (!std::isfinite(tokens.log_probs[i])) {
        Throw(ErrorCode::kCorruption,
              "the model gives token {} of document {} no probability (arm {}): its weights are damaged", i,
              document.id, arm.name);
      }
      scores.nats[i / out_.chunk_len] -= tokens.log_probs[i];
      scores.num_greedy += tokens.is_greedy[i];
    }
  }

  void StopBefore(size_t d) {
    out_.interrupted = true;
    out_.documents.resize(d);
    for (LmArmScores& arm : out_.arms) arm.documents.resize(d);
  }

  std::span<const LmArmRun> arms_;
  const LmScoreFunction& score_;
  const NeighbourTokensFunction& neighbour_tokens_;
  LmEvaluation out_;
};

}  // namespace

NeighbourTokensFunction NeighbourTokensOf(const ChunkSource& chunks, int64_t neighbour_len) {
  return [&chunks, neighbour_len](std::span<const ChunkId> ids) {
    const size_t row = 2 * size_t{chunks.chunk_len()};
    std::vector<TokenId> tokens(ids.size() * row);
    std::vector<uint32_t> lengths(ids.size());
    chunks.GetNeighbours(ids, tokens, lengths);
    ChunkNeighbours neighbours;
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto first = tokens.begin() + static_cast<int64_t>(i * row);
      neighbours.emplace_back(first, first + std::min<int64_t>(lengths[i], neighbour_len));
    }
    return neighbours;
  };
}

LmWindow ChooseWindow(int64_t window_len, int64_t stride, int64_t context_len, uint32_t chunk_len, bool aligned) {
  LmWindow window{window_len == 0 ? std::min(kPaperWindow, context_len) : window_len, stride};
  if (window.window_len < 2 || window.window_len > context_len) {
    Throw(ErrorCode::kInvalidArgument, "the window is {}: it must be from 2 to the decoder's context of {} tokens",
          window.window_len, context_len);
  }
  if (stride == 0) {
    const int64_t half = window.window_len / 2;
    window.stride = half >= chunk_len ? half - half % chunk_len : half;
  }
  if (window.stride < 1 || window.stride > window.window_len - 1) {
    Throw(ErrorCode::kInvalidArgument, "the stride is {}: it must be from 1 to {}, below the window", window.stride,
          window.window_len - 1);
  }
  if (aligned && window.stride % chunk_len != 0) {
    Throw(
        ErrorCode::kInvalidArgument,
        "the stride is {}: with retrieval it must be a multiple of the {} tokens of a chunk, so that every window cuts "
        "the same chunks",
        window.stride, chunk_len);
  }
  return window;
}

LmEvaluation EvaluateLm(std::vector<LmDocument> documents, uint32_t chunk_len, std::span<const LmArmRun> arms,
                        const LmScoreFunction& score, const NeighbourTokensFunction& neighbour_tokens,
                        const std::function<void(uint64_t)>& on_tokens) {
  return Evaluator(std::move(documents), chunk_len, arms, score, neighbour_tokens).Run(on_tokens);
}

}  // namespace retro
