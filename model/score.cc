#include "model/score.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "model/log_probs.h"
#include "model/sampler.h"

namespace retro {
namespace {

// Tokens a pass: enough for the matrix products to run at full speed, few enough for their logits (a quarter of a
// megabyte each) to stay small.
constexpr int64_t kPassTokens = 256;

class Scoring {
 public:
  Scoring(const Decoder& decoder, std::span<const TokenId> tokens, int64_t window_len, const RetrieveFunction& retrieve,
          ThreadPool& pool)
      : decoder_(decoder), tokens_(tokens), retrieve_(retrieve), pool_(pool) {
    cache_ = decoder.NewCache(1, std::min<int64_t>(window_len, tokens.size()));
    scores_.log_probs.assign(tokens.size(), std::numeric_limits<float>::quiet_NaN());
    scores_.is_greedy.assign(tokens.size(), false);
  }

  // Scores tokens [first, end) with tokens [begin, first) before them.
  void ScoreWindow(int64_t begin, int64_t first, int64_t end) {
    cache_->Truncate(0, 0);
    if (retrieve_) Retrieve(begin, end - 1);
    // The logits at token i are about token i + 1, so those before first - 1 are not wanted.
    const int64_t wanted = std::max(begin, first - 1);
    for (int64_t at = begin; at < end - 1;) {
      ThrowIfInterrupted();
      const int64_t until = std::min(at + kPassTokens, at < wanted ? wanted : end - 1);
      Pass(at, until, at >= wanted);
      at = until;
    }
    ++scores_.num_windows;
  }

  TokenScores Take() { return std::move(scores_); }

 private:
  // For the chunks of a window whose tokens [begin, end) go through the decoder.
  void Retrieve(int64_t begin, int64_t end) {
    const int64_t chunk_len = decoder_.config().retro->chunk_len;
    queries_.clear();
    for (int64_t at = begin; at + chunk_len <= end; at += chunk_len) {
      queries_.push_back({0, at + chunk_len, tokens_.subspan(at, chunk_len)});
    }
    if (queries_.empty()) return;
    const auto results = CallRetrieve(retrieve_, queries_);
    for (size_t i = 0; i < queries_.size(); ++i) {
      decoder_.SetNeighbours(*cache_, 0, queries_[i].end - begin, results[i]);
    }
  }

  void Pass(int64_t begin, int64_t end, bool score) {
    const SequenceInput input{0, tokens_.subspan(begin, end - begin)};
    decoder_.Forward(*cache_, {&input, 1}, score ? LogitsFor::kAllTokens : LogitsFor::kNone, logits_, pool_);
    if (!score) return;
    const size_t vocab_size = logits_.size() / (end - begin);
    greedy_.resize(end - begin);
    pool_.ParallelFor(end - begin, [&](size_t row) {
      const auto logits = std::span(logits_).subspan(row * vocab_size, vocab_size);
      const TokenId next = tokens_[begin + row + 1];
      scores_.log_probs[begin + row + 1] = RowLogProbs(logits).Of(next);
      greedy_[row] = MostProbable(logits);
    });
    // Bits of one vector share bytes, so they are set on one thread.
    for (int64_t i = begin; i < end; ++i) scores_.is_greedy[i + 1] = greedy_[i - begin] == tokens_[i + 1];
  }

  const Decoder& decoder_;
  std::span<const TokenId> tokens_;
  const RetrieveFunction& retrieve_;
  ThreadPool& pool_;
  std::unique_ptr<KvCache> cache_;
  std::vector<float> logits_;
  std::vector<TokenId> greedy_;
  std::vector<RetrievalQuery> queries_;
  TokenScores scores_;
};

int64_t WindowLen(const ScoreOptions& options, int64_t context_len) {
  const int64_t window_len = options.window_len == 0 ? context_len : options.window_len;
  if (window_len < 2 || window_len > context_len) {
    Throw(ErrorCode::kInvalidArgument, "window_len is {}: it must be from 2 to the decoder's context of {} tokens",
          window_len, context_len);
  }
  if (options.min_context < 0 || options.min_context >= window_len) {
    Throw(ErrorCode::kInvalidArgument, "min_context is {}: it must be from 0 to {}, below the window's {} tokens",
          options.min_context, window_len - 1, window_len);
  }
  return window_len;
}

void CheckTokens(std::span<const TokenId> tokens, int64_t vocab_size) {
  if (tokens.empty()) Throw(ErrorCode::kInvalidArgument, "there are no tokens to score");
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab_size) {
      Throw(ErrorCode::kInvalidArgument, "token {} at place {} is outside the vocabulary of {}", tokens[i], i,
            vocab_size);
    }
  }
}

}  // namespace

double TokenScores::Sum() const {
  double sum = 0;
  for (size_t i = 1; i < log_probs.size(); ++i) sum += log_probs[i];
  return sum;
}

double TokenScores::Perplexity() const {
  if (log_probs.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  return std::exp(-Sum() / static_cast<double>(log_probs.size() - 1));
}

TokenScores ScoreTokens(const Decoder& decoder, std::span<const TokenId> tokens, const ScoreOptions& options,
                        ThreadPool& pool) {
  const int64_t window_len = WindowLen(options, decoder.config().context_len);
  if (options.retrieve) CheckTakesNeighbours(decoder);
  CheckTokens(tokens, decoder.config().vocab_size);
  const int64_t min_context = options.min_context == 0 ? window_len / 2 : options.min_context;
  const int64_t num_tokens = static_cast<int64_t>(tokens.size());
  Scoring scoring(decoder, tokens, window_len, options.retrieve, pool);
  int64_t scored = std::min(window_len, num_tokens);
  scoring.ScoreWindow(0, 1, scored);
  while (scored < num_tokens) {
    const int64_t begin = scored - min_context;
    const int64_t end = std::min(begin + window_len, num_tokens);
    scoring.ScoreWindow(begin, scored, end);
    scored = end;
  }
  return scoring.Take();
}

}  // namespace retro
