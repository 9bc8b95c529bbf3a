// The choice of the next token from a decoder's logits: greedy, or at random under the usual filters.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/ids.h"

namespace retro {

// Applied in this order, which is that of the transformers library: repetition penalty, temperature, top_k, top_p,
// min_p. The defaults are greedy decoding.
struct SamplingOptions {
  float temperature = 0;         // 0: the most probable token (equal ones: the lowest id), and no filter matters
  int top_k = 0;                 // keep the k most probable tokens; 0: all
  float top_p = 1;               // keep the fewest tokens whose probabilities add up to this, in (0, 1]; 1: all
  float min_p = 0;               // keep tokens of at least this share of the best one's probability, in [0, 1]; 0: all
  float repetition_penalty = 1;  // > 1: logits of recent tokens are divided (if negative: multiplied) by it; 1: off
  int repetition_window = 64;    // how many of the last tokens, prompt included, are recent; 0: none, -1: all
  uint64_t seed = 0;

  // Throws Error(kInvalidArgument) naming the option, its value and what it may be.
  void Validate() const;
};

// The choices of one sequence. One thread at a time; each sequence of a batch has its own. A choice depends on the
// options, `sequence`, how many choices came before, logits and context only: not on the batch around it, nor on the
// platform's random number library.
class Sampler {
 public:
  // `sequence` tells apart sequences that share a seed. Throws as Validate() does.
  Sampler(const SamplingOptions& options, uint64_t sequence);

  // `context`: the tokens before, prompt included. Throws Error(kCorruption) when a logit is NaN or +inf, or none is
  // finite. REQUIRES: !logits.empty(), context tokens are below logits.size()
  TokenId Sample(std::span<const float> logits, std::span<const TokenId> context);

 private:
  struct Candidate {
    float weight;  // its probability over that of the most probable token
    TokenId token;
  };

  std::span<const float> Penalize(std::span<const float> logits, std::span<const TokenId> context);
  TokenId DrawFromAll(double total);
  void SelectBest(size_t count);
  void SelectTopP(double total);
  void SelectAbove(float weight);
  TokenId DrawFromCandidates();
  double NextUniform();

  SamplingOptions options_;
  uint64_t stream_;
  uint64_t num_choices_ = 0;
  std::vector<float> penalized_, weights_;  // one for each logit
  std::vector<Candidate> candidates_;       // best first
};

// The index of the greatest logit, the lowest of equal ones. Throws as Sampler::Sample does.
TokenId MostProbable(std::span<const float> logits);

}  // namespace retro
