#include "datasets/bpe_merger.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace retro {
namespace {

// Up to here, looking through all ranks for the least is quicker than a heap.
constexpr size_t kShortWord = 100;
constexpr uint32_t kNone = UINT32_MAX;
// Memory for longer words is not kept for the next.
constexpr size_t kKeptSymbols = size_t{1} << 16;

}  // namespace

BpeMerges::BpeMerges(size_t capacity)
    : slots_(std::bit_ceil(capacity * 2 + 2)), mask_(slots_.size() - 1), shift_(64 - std::countr_zero(slots_.size())) {}

void BpeMerges::Set(TokenId left, TokenId right, Merge merge) {
  const uint64_t key = KeyOf(left, right);
  size_t slot = SlotOf(key);
  while (slots_[slot].key != key && slots_[slot].key != kFree) slot = (slot + 1) & mask_;
  slots_[slot] = {key, merge};
}

void BpeMerger::Merge(const BpeMerges& merges, std::vector<TokenId>& symbols) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShortWord) return MergeShort(merges, symbols);
  const bool keeps = symbols.size() <= kKeptSymbols;
  MergeLong(merges, symbols);
  if (!keeps) *this = {};
}

void BpeMerger::MergeShort(const BpeMerges& merges, std::vector<TokenId>& symbols) {
  ranks_.resize(symbols.size());
  merged_.resize(symbols.size());
  TokenId* const ids = symbols.data();
  uint32_t* const ranks = ranks_.data();
  TokenId* const merged = merged_.data();
  size_t num_pairs = symbols.size() - 1;
  const auto look_up = [&](size_t i) {
    const auto merge = merges.Find(ids[i], ids[i + 1]);
    ranks[i] = merge.rank;
    merged[i] = merge.id;
  };
  for (size_t i = 0; i < num_pairs; ++i) look_up(i);
  while (num_pairs > 0) {
    const size_t best = std::min_element(ranks, ranks + num_pairs) - ranks;
    if (ranks[best] == BpeMerges::kNoMerge) break;
    ids[best] = merged[best];
    std::copy(ids + best + 2, ids + num_pairs + 1, ids + best + 1);
    std::copy(ranks + best + 1, ranks + num_pairs, ranks + best);
    std::copy(merged + best + 1, merged + num_pairs, merged + best);
    --num_pairs;
    if (best < num_pairs) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  symbols.resize(num_pairs + 1);
}

void BpeMerger::Queue(const BpeMerges& merges, const std::vector<TokenId>& symbols, uint32_t left) {
  ranks_[left] = BpeMerges::kNoMerge;
  if (next_[left] == kNone) return;
  const auto merge = merges.Find(symbols[left], symbols[next_[left]]);
  if (merge.rank == BpeMerges::kNoMerge) return;
  ranks_[left] = merge.rank;
  merged_[left] = merge.id;
  heap_.push_back(uint64_t{merge.rank} << 32 | left);
}

// A linked list of symbols and a heap of pairs; an entry of the heap whose pair has changed since is passed over.
void BpeMerger::MergeLong(const BpeMerges& merges, std::vector<TokenId>& symbols) {
  const auto count = static_cast<uint32_t>(symbols.size());
  ranks_.resize(count);
  merged_.resize(count);
  next_.resize(count);
  before_.resize(count);
  heap_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    next_[i] = i + 1 < count ? i + 1 : kNone;
    before_[i] = i > 0 ? i - 1 : kNone;
  }
  for (uint32_t i = 0; i < count; ++i) Queue(merges, symbols, i);
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  const auto queue_more = [&](uint32_t left) {
    const size_t size = heap_.size();
    Queue(merges, symbols, left);
    if (heap_.size() > size) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const auto left = static_cast<uint32_t>(heap_.back());
    const auto rank = static_cast<uint32_t>(heap_.back() >> 32);
    heap_.pop_back();
    if (ranks_[left] != rank) continue;
    const uint32_t right = next_[left];
    symbols[left] = merged_[left];
    next_[left] = next_[right];
    if (next_[right] != kNone) before_[next_[right]] = left;
    ranks_[right] = BpeMerges::kNoMerge;
    queue_more(left);
    if (before_[left] != kNone) queue_more(before_[left]);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i != kNone; i = next_[i]) symbols[kept++] = symbols[i];
  symbols.resize(kept);
}

}  // namespace retro
