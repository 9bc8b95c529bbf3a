// The cache of decoders whose answers are known.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "model/decoder.h"

namespace retro {

// Remembers the tokens themselves, where a real cache has keys and values.
class ToyCache final : public KvCache {
 public:
  ToyCache(int num_sequences, int64_t capacity) : capacity_(capacity), sequences_(num_sequences) {}
  int num_sequences() const override { return static_cast<int>(sequences_.size()); }
  int64_t length(int sequence) const override { return sequences_[sequence].size(); }
  int64_t capacity() const override { return capacity_; }
  void Truncate(int sequence, int64_t length) override { sequences_[sequence].resize(length); }
  int Add(int64_t) override {
    const int added = removed_.empty() ? num_sequences() : *removed_.begin();
    if (removed_.erase(added) == 0) sequences_.emplace_back();
    return added;
  }
  void Remove(int sequence) override {
    sequences_[sequence].clear();
    removed_.insert(sequence);
  }
  void CopyTokens(int from, int64_t length, int to) override {
    sequences_[to].assign(sequences_[from].begin(), sequences_[from].begin() + length);
  }
  std::vector<TokenId>& tokens(int sequence) { return sequences_[sequence]; }

 private:
  int64_t capacity_;
  std::vector<std::vector<TokenId>> sequences_;
  std::set<int> removed_;
};

}  // namespace retro
