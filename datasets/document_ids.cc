#include "datasets/document_ids.h"

#include <algorithm>
#include <utility>

#include "core/hash.h"

namespace retro {

uint64_t DocumentIds::HashOf(std::string_view id) { return std::max<uint64_t>(HashBytes(id), 1); }

bool DocumentIds::InsertHash(uint64_t hash) {
  if (size_ * 10 >= slots_.size() * 7) Grow();
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0) {
    if (slots_[slot] == hash) return false;
    slot = (slot + 1) & mask;
  }
  slots_[slot] = hash;
  ++size_;
  return true;
}

void DocumentIds::Grow() {
  std::vector<uint64_t> old(slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const uint64_t hash : old) {
    if (hash == 0) continue;
    size_t slot = hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = hash;
  }
}

}  // namespace retro
