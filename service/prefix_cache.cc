#include "service/prefix_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace retro {

int64_t CommonPrefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

PrefixCache::Match PrefixCache::Find(std::span<const TokenId> prompt, bool adapted) {
  Match best;
  auto found = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const int64_t length = entry->InCommon(prompt, adapted);
    if (length <= best.length) continue;
    best = {entry->sequence, length};
    found = entry;
  }
  if (found != entries_.end()) entries_.splice(entries_.begin(), entries_, found);
  return best;
}

void PrefixCache::Keep(int sequence, std::vector<TokenId> tokens, bool adapted) {
  const auto length = std::ssize(tokens);
  const bool held =
      std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.InCommon(tokens, adapted) == length; });
  if (held || length > max_tokens_) return cache_.Remove(sequence);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (entry->InCommon(tokens, adapted) == std::ssize(entry->tokens)) Drop(entry);
    entry = next;
  }
  while (num_tokens_ + length > max_tokens_) Drop(std::prev(entries_.end()));
  num_tokens_ += length;
  entries_.push_front({sequence, std::move(tokens), adapted});
}

void PrefixCache::Drop(std::list<Entry>::iterator entry) {
  cache_.Remove(entry->sequence);
  num_tokens_ -= std::ssize(entry->tokens);
  entries_.erase(entry);
}

}  // namespace retro
