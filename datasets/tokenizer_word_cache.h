// The ids of words met before: natural text repeats its words so much that most need no merging at all.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "core/ids.h"

namespace retro {

// Two-way associative, of fixed size (2 MiB). One thread at a time.
class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 24;
  static constexpr size_t kMaxIds = 9;

  // A word in registers, with its place in the cache.
  struct Key {
    std::array<uint64_t, 3> bytes;
    uint32_t length;
    uint32_t set;
  };

  WordCache() : entries_(kNumSets * 2) {}

  // REQUIRES: word.size() <= kMaxWordBytes; `text_end` is the end of the memory that may be read behind the word.
  static Key MakeKey(std::string_view word, const char* text_end) {
    Key key;
    if (static_cast<size_t>(text_end - word.data()) >= kMaxWordBytes) {
      std::memcpy(key.bytes.data(), word.data(), kMaxWordBytes);
      const auto mask = [&](size_t i) {
        const size_t begin = i * 8;
        if (word.size() >= begin + 8) return ~uint64_t{0};
        return word.size() <= begin ? uint64_t{0} : (uint64_t{1} << (word.size() - begin) * 8) - 1;
      };
      if constexpr (std::endian::native == std::endian::little) {
        for (size_t i = 0; i < 3; ++i) key.bytes[i] &= mask(i);
      } else {
        std::memset(reinterpret_cast<char*>(key.bytes.data()) + word.size(), 0, kMaxWordBytes - word.size());
      }
    } else {
      key.bytes = {};
      std::memcpy(key.bytes.data(), word.data(), word.size());
    }
    key.length = static_cast<uint32_t>(word.size());
    uint64_t hash = (key.bytes[0] ^ key.length) * 0x9E3779B97F4A7C15;
    hash = (hash ^ hash >> 29 ^ key.bytes[1]) * 0xBF58476D1CE4E5B9;
    hash = (hash ^ hash >> 32 ^ key.bytes[2]) * 0x94D049BB133111EB;
    key.set = static_cast<uint32_t>(hash >> 50) & (kNumSets - 1);
    return key;
  }

  // Copies kMaxIds ids to `out`, of which the returned number count, or returns -1 when the word is not held.
  int Find(const Key& key, TokenId* out) const {
    const Entry* entry = &entries_[key.set * 2];
    if (!entry->Holds(key)) {
      ++entry;
      if (!entry->Holds(key)) return -1;
    }
    std::memcpy(out, entry->ids, sizeof(entry->ids));
    return entry->count;
  }

  // Ignores words of more than kMaxIds ids.
  void Insert(const Key& key, std::span<const TokenId> ids) {
    if (ids.size() > kMaxIds) return;
    Entry* entry = &entries_[key.set * 2];
    entry[1] = entry[0];
    entry->bytes = key.bytes;
    entry->length = static_cast<uint8_t>(key.length);
    entry->count = static_cast<uint8_t>(ids.size());
    std::copy(ids.begin(), ids.end(), entry->ids);
  }

 private:
  static constexpr size_t kNumSets = size_t{1} << 14;

  struct alignas(64) Entry {
    std::array<uint64_t, 3> bytes = {};
    uint8_t length = 0;  // 0: unused
    uint8_t count = 0;
    TokenId ids[kMaxIds] = {};

    bool Holds(const Key& key) const {
      return ((bytes[0] ^ key.bytes[0]) | (bytes[1] ^ key.bytes[1]) | (bytes[2] ^ key.bytes[2]) |
              (length ^ key.length)) == 0;
    }
  };
  static_assert(sizeof(Entry) == 64);

  std::vector<Entry> entries_;
};

// Scratch objects lent to one call at a time, kept for the next: as many as calls ever ran at once. Thread-safe.
template <typename T>
class ScratchPool {
 public:
  // Gives its object back on destruction. Must not outlive the pool.
  class Lease {
   public:
    explicit Lease(ScratchPool& pool) : pool_(pool), object_(pool.Take()) {}
    ~Lease() { pool_.Give(std::move(object_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    T& operator*() { return *object_; }
    T* operator->() { return object_.get(); }

   private:
    ScratchPool& pool_;
    std::unique_ptr<T> object_;
  };

 private:
  std::unique_ptr<T> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto object = std::move(free_.back());
        free_.pop_back();
        return object;
      }
    }
    return std::make_unique<T>();
  }

  void Give(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(object));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

}  // namespace retro
