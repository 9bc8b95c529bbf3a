// MinHash signatures: two sets' similarity from a few hundred bytes of each (Broder, 1997).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace retro {

// Signatures under `num_permutations` random permutations of the 32-bit integers, h -> a h + b mod 2^32 with a odd.
// Two sets' signatures agree at a place with the chance of their Jaccard similarity. The same on every processor.
// Const methods are safe from many threads.
class MinHasher {
 public:
  // REQUIRES: num_permutations > 0
  MinHasher(size_t num_permutations, uint64_t seed);

  size_t num_permutations() const { return num_permutations_; }

  // The least image of a set's elements under each permutation. `elements` must be well mixed hashes, and may repeat.
  // REQUIRES: signature.size() == num_permutations()
  void Sign(std::span<const uint32_t> elements, std::span<uint32_t> signature) const;

 private:
  size_t num_permutations_;
  std::vector<uint32_t> multipliers_, addends_;  // filled up to whole tiles of vectors
};

// The share of places where two signatures agree: an unbiased estimate of the Jaccard similarity J with the variance
// J (1 - J) / num_permutations.
double EstimateSimilarity(std::span<const uint32_t> a, std::span<const uint32_t> b);

}  // namespace retro
