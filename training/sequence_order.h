// In which order sequences are trained on: a shuffle of each corpus for every epoch, and the corpora mixed by weight.
// Nothing is stored: where a run stands is one number for each corpus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace retro {

// A permutation of [0, size) chosen by a key, computed element by element (a Feistel network on the next even power of
// two, walked until it lands inside). Immutable.
class Permutation {
 public:
  Permutation(uint64_t size, uint64_t key);
  uint64_t At(uint64_t i) const;  // REQUIRES: i < size

 private:
  uint64_t Shuffle(uint64_t x) const;

  uint64_t size_, key_;
  int half_bits_;
};

// The finalizer of SplitMix64 on both: a new seed for every purpose.
uint64_t MixSeed(uint64_t seed, uint64_t value);

// Draws (corpus, sequence) without end or until every corpus has reached its bound. Of the corpora that have not, the
// next is the one that is furthest behind its weight. One thread at a time.
class SequenceOrder {
 public:
  struct Part {
    uint64_t num_sequences = 0;
    double weight = 1;  // > 0
    uint64_t max_draws = std::numeric_limits<uint64_t>::max();
  };
  struct Draw {
    size_t part;
    uint64_t sequence;
  };

  // Throws Error(kInternal) when a part has no sequence or no weight.
  SequenceOrder(std::vector<Part> parts, uint64_t seed);

  // REQUIRES: num_left() > 0
  Draw Next();
  uint64_t num_left() const;  // draws until all bounds are reached (or very many)

  // For each part, how many were drawn. Setting it is going on from there.
  const std::vector<uint64_t>& drawn() const { return drawn_; }
  // Throws Error(kCorruption) when it is of another number of parts or beyond a bound.
  void Resume(const std::vector<uint64_t>& drawn);

 private:
  size_t NextPart() const;

  std::vector<Part> parts_;
  uint64_t seed_;
  std::vector<uint64_t> drawn_;
};

}  // namespace retro
