// Byte-pair merging of one word: the pair of lowest rank first, leftmost among equals.
#pragma once

#include <cstdint>
#include <vector>

#include "core/ids.h"

namespace retro {

// Which neighbouring symbols merge, and how urgently. Immutable once filled: Find is safe from many threads.
class BpeMerges {
 public:
  static constexpr uint32_t kNoMerge = UINT32_MAX;
  struct Merge {
    uint32_t rank = kNoMerge;
    TokenId id = -1;
  };

  // REQUIRES: at most `capacity` calls of Set
  explicit BpeMerges(size_t capacity);

  // A pair set twice keeps the last. REQUIRES: left >= 0, right >= 0, rank < kNoMerge
  void Set(TokenId left, TokenId right, Merge merge);

  Merge Find(TokenId left, TokenId right) const {
    const uint64_t key = KeyOf(left, right);
    for (size_t slot = SlotOf(key);; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return slots_[slot].merge;
      if (slots_[slot].key == kFree) return {};
    }
  }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Slot {
    uint64_t key = kFree;
    Merge merge;
  };

  static uint64_t KeyOf(TokenId left, TokenId right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t SlotOf(uint64_t key) const { return (key * 0x9E3779B97F4A7C15 ^ key >> 32) * 0xD6E8FEB86659FD93 >> shift_; }

  std::vector<Slot> slots_;
  size_t mask_;
  int shift_;
};

// Merges in memory of its own that it keeps from word to word. One thread at a time.
class BpeMerger {
 public:
  // Merges `symbols` in place and shortens it. Linear in its length, up to a logarithm.
  void Merge(const BpeMerges& merges, std::vector<TokenId>& symbols);

 private:
  void MergeShort(const BpeMerges& merges, std::vector<TokenId>& symbols);
  void MergeLong(const BpeMerges& merges, std::vector<TokenId>& symbols);
  void Queue(const BpeMerges& merges, const std::vector<TokenId>& symbols, uint32_t left);

  std::vector<uint32_t> ranks_;          // of the pair that begins at a symbol
  std::vector<TokenId> merged_;          // what that pair becomes
  std::vector<uint32_t> next_, before_;  // MergeLong: the neighbours still alive
  std::vector<uint64_t> heap_;           // MergeLong: rank << 32 | position
};

}  // namespace retro
