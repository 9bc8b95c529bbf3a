#include "model/log_probs.h"

#include <algorithm>

#include "model/sampler_softmax.h"

namespace retro {

RowLogProbs::RowLogProbs(std::span<const float> logits) : logits_(logits), log_sum_exp_(LogSumExp(logits)) {}

std::vector<std::pair<TokenId, float>> RowLogProbs::Top(size_t count) const {
  const auto better = [this](TokenId a, TokenId b) {
    return logits_[a] != logits_[b] ? logits_[a] > logits_[b] : a < b;
  };
  count = std::min(count, logits_.size());
  std::vector<std::pair<TokenId, float>> top;
  if (count == 0) return top;
  // A heap of the best so far with the worst of them in front, which hardly any token enters.
  std::vector<TokenId> heap;
  for (TokenId token = 0; token < std::ssize(logits_); ++token) {
    if (heap.size() < count) {
      heap.push_back(token);
      std::ranges::push_heap(heap, better);
    } else if (better(token, heap.front())) {
      std::ranges::pop_heap(heap, better);
      heap.back() = token;
      std::ranges::push_heap(heap, better);
    }
  }
  std::ranges::sort_heap(heap, better);
  for (const TokenId token : heap) top.emplace_back(token, Of(token));
  return top;
}

}  // namespace retro
