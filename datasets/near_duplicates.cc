#include "datasets/near_duplicates.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "datasets/shingles.h"

namespace retro {
namespace {

constexpr size_t kMostPermutations = 4096;
constexpr size_t kBucketsAtOnce = 1024;  // work of one index of a parallel loop

const NearDuplicateOptions& Checked(const NearDuplicateOptions& options) {
  if (!(options.threshold > 0 && options.threshold <= 1)) {
    Throw(ErrorCode::kInvalidArgument, "threshold {}: must be above 0 and at most 1", options.threshold);
  }
  if (options.num_permutations == 0 || options.num_permutations > kMostPermutations) {
    Throw(ErrorCode::kInvalidArgument, "{} permutations: must be between 1 and {}", options.num_permutations,
          kMostPermutations);
  }
  if (options.ngram == 0 || options.ngram > kMostPermutations) {
    Throw(ErrorCode::kInvalidArgument, "n-grams of {} words: must be between 1 and {}", options.ngram,
          kMostPermutations);
  }
  return options;
}

// The integral of `value` over [begin, end] by Simpson's rule.
template <typename Function>
double Integral(const Function& value, double begin, double end) {
  constexpr int kIntervals = 256;
  const double step = (end - begin) / kIntervals;
  double sum = value(begin) + value(end);
  for (int i = 1; i < kIntervals; ++i) sum += (i % 2 == 1 ? 4 : 2) * value(begin + i * step);
  return sum * step / 3;
}

// Disjoint sets whose representative is their least member.
class DisjointSets {
 public:
  explicit DisjointSets(uint64_t size) : parents_(size) { std::iota(parents_.begin(), parents_.end(), uint64_t{0}); }

  // Safe from many threads as long as none joins.
  uint64_t Find(uint64_t member) const {
    while (parents_[member] != member) member = parents_[member];
    return member;
  }

  void Join(uint64_t a, uint64_t b) {
    a = Find(a);
    b = Find(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

  // Every member directly below its representative. A parent is never larger than its member, so one pass does it.
  void Flatten() {
    for (uint64_t& parent : parents_) parent = parents_[parent];
  }

  std::vector<uint64_t> Take() && { return std::move(parents_); }

 private:
  std::vector<uint64_t> parents_;
};

struct BandEntry {
  uint64_t key, text;
  bool operator<(const BandEntry& other) const { return std::pair(key, text) < std::pair(other.key, other.text); }
};

using Bucket = std::span<const BandEntry>;  // of one key
using Edge = std::pair<uint64_t, uint64_t>;

// The runs of at least two equal keys.
std::vector<Bucket> Buckets(const std::vector<BandEntry>& entries) {
  std::vector<Bucket> buckets;
  for (auto begin = entries.begin(); begin != entries.end();) {
    const auto end = std::find_if(begin, entries.end(), [&](const BandEntry& e) { return e.key != begin->key; });
    if (end - begin > 1) buckets.emplace_back(begin, end);
    begin = end;
  }
  return buckets;
}

// Appends the edges that connect a bucket's texts as all their similar pairs do. Texts that are connected already are
// not compared, so a bucket of copies costs one comparison each.
template <typename Similar>
void ConnectBucket(Bucket bucket, const DisjointSets& sets, const Similar& similar, std::vector<Edge>& edges) {
  struct Group {
    uint64_t representative;
    std::vector<uint64_t> texts;
  };
  std::vector<Group> groups;
  for (const BandEntry& entry : bucket) {
    Group mine{sets.Find(entry.text), {entry.text}};
    std::erase_if(groups, [&](Group& group) {
      const bool known = group.representative == mine.representative;
      if (!known) {
        const auto found = std::find_if(group.texts.begin(), group.texts.end(),
                                        [&](uint64_t text) { return similar(text, entry.text); });
        if (found == group.texts.end()) return false;
        edges.emplace_back(*found, entry.text);
      }
      mine.texts.insert(mine.texts.end(), group.texts.begin(), group.texts.end());
      return true;
    });
    groups.push_back(std::move(mine));
  }
}

}  // namespace

LshBands ChooseLshBands(double threshold, size_t num_permutations) {
  LshBands best;
  double least = std::numeric_limits<double>::infinity();
  for (size_t bands = 1; bands <= num_permutations; ++bands) {
    for (size_t rows = 1; rows * bands <= num_permutations; ++rows) {
      const auto missed = [&](double similarity) {
        return std::pow(1 - std::pow(similarity, static_cast<double>(rows)), static_cast<double>(bands));
      };
      const double error = Integral([&](double similarity) { return 1 - missed(similarity); }, 0, threshold) +
                           Integral(missed, threshold, 1);
      if (error < least) {
        least = error;
        best = {bands, rows};
      }
    }
  }
  return best;
}

NearDuplicates::NearDuplicates(const NearDuplicateOptions& options)
    : options_(Checked(options)), hasher_(options.num_permutations, options.seed) {}

std::span<uint32_t> NearDuplicates::Signature(uint64_t text) const {
  const size_t num_permutations = options_.num_permutations;
  return {&signatures_[text / kBlockTexts][text % kBlockTexts * num_permutations], num_permutations};
}

void NearDuplicates::Sign(uint64_t number, std::string_view text) {
  std::vector<uint64_t> shingles;
  AppendShingles(text, options_.ngram, shingles);
  std::vector<uint32_t> elements(shingles.size());
  std::transform(shingles.begin(), shingles.end(), elements.begin(),
                 [](uint64_t hash) { return static_cast<uint32_t>(hash >> 32); });
  hasher_.Sign(elements, Signature(number));
  if (!options_.exact) return;
  std::sort(shingles.begin(), shingles.end());
  shingles.erase(std::unique(shingles.begin(), shingles.end()), shingles.end());
  shingles.shrink_to_fit();
  shingles_[number] = std::move(shingles);
}

void NearDuplicates::Add(std::span<const std::string_view> texts, ThreadPool& pool) {
  const uint64_t first = size_, size = first + texts.size();
  while (signatures_.size() * kBlockTexts < size) {
    signatures_.push_back(std::make_unique_for_overwrite<uint32_t[]>(kBlockTexts * options_.num_permutations));
  }
  if (options_.exact) shingles_.resize(size);
  pool.ParallelFor(texts.size(), [&](size_t i) { Sign(first + i, texts[i]); });
  size_ = size;
}

double NearDuplicates::Similarity(uint64_t a, uint64_t b) const {
  if (options_.exact) return JaccardSimilarity(shingles_[a], shingles_[b]);
  return EstimateSimilarity(Signature(a), Signature(b));
}

std::vector<uint64_t> NearDuplicates::Clusters(ThreadPool& pool) const {
  const LshBands cut = ChooseLshBands(options_.threshold, options_.num_permutations);
  const auto similar = [&](uint64_t a, uint64_t b) { return Similarity(a, b) >= options_.threshold; };
  DisjointSets sets(size_);
  std::vector<BandEntry> entries(size_);
  for (size_t band = 0; band < cut.bands; ++band) {
    ThrowIfInterrupted();
    pool.ParallelFor((size_ + kBlockTexts - 1) / kBlockTexts, [&](size_t block) {
      for (uint64_t text = block * kBlockTexts; text < std::min(size_, (block + 1) * kBlockTexts); ++text) {
        const auto places = std::as_bytes(Signature(text).subspan(band * cut.rows, cut.rows));
        entries[text] = {HashBytes({reinterpret_cast<const char*>(places.data()), places.size()}), text};
      }
    });
    std::sort(entries.begin(), entries.end());
    const std::vector<Bucket> buckets = Buckets(entries);
    std::vector<std::vector<Edge>> edges((buckets.size() + kBucketsAtOnce - 1) / kBucketsAtOnce);
    pool.ParallelFor(edges.size(), [&](size_t i) {
      const size_t end = std::min(buckets.size(), (i + 1) * kBucketsAtOnce);
      for (size_t b = i * kBucketsAtOnce; b < end; ++b) ConnectBucket(buckets[b], sets, similar, edges[i]);
    });
    for (const auto& some : edges) {
      for (const auto& [a, b] : some) sets.Join(a, b);
    }
    sets.Flatten();
  }
  return std::move(sets).Take();
}

}  // namespace retro
