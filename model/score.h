// How probable a text is to a decoder: the log-probability of every token given those before it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ids.h"
#include "model/decoder.h"
#include "model/retrieval.h"

namespace retro {

struct ScoreOptions {
  int64_t window_len = 0;  // tokens that the decoder sees at once; 0: config().context_len, which it may not exceed
  // In a text longer than the window each token is seen with at least this many before it (the text's first ones
  // excepted); 0: half the window. More is nearer to an unbounded context, and slower.
  int64_t min_context = 0;
  // Neighbours for chunked cross-attention; only with a decoder that has it. A window's chunks begin with its first
  // token; a query's `end` counts from the text's first token, and its sequence is 0. One call a window.
  RetrieveFunction retrieve = {};
};

struct TokenScores {
  // ln p(token i | tokens before it in its window). The first token has nothing before it: NaN.
  std::vector<float> log_probs;
  std::vector<bool> is_greedy;  // token i was the most probable one (equal ones: the lowest id)
  int64_t num_windows = 0;

  double Sum() const;         // over all but the first token
  double Perplexity() const;  // e^(-mean); NaN when fewer than two tokens
};

// To score a first token too, put the beginning-of-sequence token before it. Windows: the first covers tokens
// [0, window_len); each further one begins window_len - min_context tokens later and scores the tokens that no window
// before it covered. Throws Error(kInvalidArgument) on no tokens, on tokens outside the vocabulary and on options that
// cannot be, retrieval with a decoder that takes no neighbours among them; Error(kUnavailable) when interrupted.
TokenScores ScoreTokens(const Decoder& decoder, std::span<const TokenId> tokens, const ScoreOptions& options,
                        ThreadPool& pool);

}  // namespace retro
