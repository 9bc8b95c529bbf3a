#include "training/sequence_order.h"

#include <bit>

#include "core/error.h"

namespace retro {
namespace {

constexpr int kRounds = 6;

uint64_t Finalize(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

}  // namespace

uint64_t MixSeed(uint64_t seed, uint64_t value) { return Finalize(Finalize(seed) + value); }

Permutation::Permutation(uint64_t size, uint64_t key)
    : size_(size), key_(key), half_bits_((std::bit_width(size == 0 ? 0 : size - 1) + 1) / 2) {}

uint64_t Permutation::At(uint64_t i) const {
  if (size_ < 2) return 0;
  do {
    i = Shuffle(i);
  } while (i >= size_);
  return i;
}

uint64_t Permutation::Shuffle(uint64_t x) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = x >> half_bits_, right = x & mask;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const uint64_t mixed = left ^ (MixSeed(key_ + round, right) & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits_ | right;
}

SequenceOrder::SequenceOrder(std::vector<Part> parts, uint64_t seed)
    : parts_(std::move(parts)), seed_(seed), drawn_(parts_.size(), 0) {
  for (const Part& part : parts_) {
    if (part.num_sequences == 0 || !(part.weight > 0)) {
      Throw(ErrorCode::kInternal, "a part of {} sequences with weight {}", part.num_sequences, part.weight);
    }
  }
}

size_t SequenceOrder::NextPart() const {
  size_t next = parts_.size();
  double furthest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (drawn_[i] >= parts_[i].max_draws) continue;
    const double when = static_cast<double>(drawn_[i] + 1) / parts_[i].weight;
    if (when < furthest) {
      furthest = when;
      next = i;
    }
  }
  if (next == parts_.size()) Throw(ErrorCode::kInternal, "drawn beyond the last sequence");
  return next;
}

SequenceOrder::Draw SequenceOrder::Next() {
  const size_t part = NextPart();
  const uint64_t size = parts_[part].num_sequences;
  const uint64_t epoch = drawn_[part] / size;
  const Permutation shuffle(size, MixSeed(MixSeed(seed_, part), epoch));
  return {part, shuffle.At(drawn_[part]++ % size)};
}

uint64_t SequenceOrder::num_left() const {
  uint64_t left = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const uint64_t here = parts_[i].max_draws - drawn_[i];
    if (here > std::numeric_limits<uint64_t>::max() - left) return std::numeric_limits<uint64_t>::max();
    left += here;
  }
  return left;
}

void SequenceOrder::Resume(const std::vector<uint64_t>& drawn) {
  if (drawn.size() != parts_.size()) {
    Throw(ErrorCode::kCorruption, "the checkpoint's position is of {} corpora, there are {}", drawn.size(),
          parts_.size());
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (drawn[i] > parts_[i].max_draws)
      Throw(ErrorCode::kCorruption, "the checkpoint's position is beyond --max-epochs");
  }
  drawn_ = drawn;
}

}  // namespace retro
