// Sequences of ended requests that are kept for prompts that begin alike. One thread at a time.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <vector>

#include "core/ids.h"
#include "model/decoder.h"

namespace retro {

// The number of tokens that both begin with.
int64_t CommonPrefix(std::span<const TokenId> a, std::span<const TokenId> b);

class PrefixCache {
 public:
  // Keeps sequences of `cache`, which must outlive it, with at most `max_tokens` together.
  PrefixCache(KvCache& cache, int64_t max_tokens) : cache_(cache), max_tokens_(max_tokens) {}

  struct Match {
    int sequence = -1;
    int64_t length = 0;  // tokens that it and the prompt begin with
  };
  // The kept sequence that has the most in common with `prompt`; it now is the most recently used one. Sequences that
  // were computed with the decoder's adapter and those without (SequenceInput::adapted) have nothing in common.
  Match Find(std::span<const TokenId> prompt, bool adapted);

  // Takes over `sequence`, whose tokens are `tokens`. The least recently used ones go until there is room; one that
  // another holds already, or that is too long, is removed from the cache at once.
  void Keep(int sequence, std::vector<TokenId> tokens, bool adapted);

  int64_t num_tokens() const { return num_tokens_; }

 private:
  struct Entry {
    int sequence;
    std::vector<TokenId> tokens;
    bool adapted;

    int64_t InCommon(std::span<const TokenId> others, bool others_adapted) const {
      return adapted == others_adapted ? CommonPrefix(tokens, others) : 0;
    }
  };
  void Drop(std::list<Entry>::iterator entry);

  KvCache& cache_;
  int64_t max_tokens_, num_tokens_ = 0;
  std::list<Entry> entries_;  // most recently used first
};

}  // namespace retro
