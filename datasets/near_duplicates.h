// Which texts nearly repeat an earlier one: MinHash signatures, candidates by locality-sensitive hashing, clusters (as
// in Lee et al., Deduplicating Training Data Makes Language Models Better, 2022, appendix A).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "datasets/minhash.h"

namespace retro {

class ThreadPool;

struct NearDuplicateOptions {
  double threshold = 0.8;  // Jaccard similarity of the sets of word n-grams from which on two texts are duplicates
  size_t num_permutations = 128;
  size_t ngram = 5;
  uint64_t seed = 1;
  bool exact = false;  // candidates are compared by their n-grams instead of their signatures
};

// A signature is cut into `bands` of `rows` places each; texts that agree in a whole band are candidates.
struct LshBands {
  size_t bands = 0, rows = 0;  // bands * rows <= num_permutations
};

// The cut that makes the chance of a missed pair plus that of a needless candidate least, each integrated over all
// similarities on its side of the threshold (Zhu et al., LSH Ensemble, 2016, section 5.5, for one partition).
// REQUIRES: 0 < threshold <= 1, num_permutations > 0
LshBands ChooseLshBands(double threshold, size_t num_permutations);

// Texts in the order of their numbers, each as its signature: 4 * num_permutations bytes, and with `exact` 8 bytes for
// each distinct n-gram. The results do not depend on the number of threads. One thread at a time.
class NearDuplicates {
 public:
  // Throws Error(kInvalidArgument) for a threshold outside (0, 1], or no permutations or words, or more than 4,096.
  explicit NearDuplicates(const NearDuplicateOptions& options);

  // The texts get the next numbers.
  void Add(std::span<const std::string_view> texts, ThreadPool& pool);

  uint64_t size() const { return size_; }

  // For each text the first one of its cluster, itself where it is the first. A cluster is what pairs of similar
  // candidates connect, so a text may be less similar than the threshold to the first one. 24 bytes a text while it
  // works.
  std::vector<uint64_t> Clusters(ThreadPool& pool) const;

  // As clusters take it: estimated from the signatures, or exact. REQUIRES: a, b < size()
  double Similarity(uint64_t a, uint64_t b) const;

 private:
  // Blocks of signatures, so that they never move.
  static constexpr uint64_t kBlockTexts = 4096;

  std::span<uint32_t> Signature(uint64_t text) const;
  void Sign(uint64_t number, std::string_view text);

  NearDuplicateOptions options_;
  MinHasher hasher_;
  uint64_t size_ = 0;
  std::vector<std::unique_ptr<uint32_t[]>> signatures_;
  std::vector<std::vector<uint64_t>> shingles_;  // sorted, each once; only with `exact`
};

}  // namespace retro
