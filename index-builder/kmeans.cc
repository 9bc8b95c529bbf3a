#include "index-builder/kmeans.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <queue>
#include <span>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "retriever/faiss_nearest_rows.h"

namespace retro {
namespace {

constexpr double kUnit = 0x1p-24;
// Sums of so large a value over all rows stay below 2^63 units.
constexpr double kMaxSum = 0x1p39;
// How far two halves of a list are set apart, as FAISS does it (Clustering.cpp).
constexpr float kApart = 1.0f / 1024;
constexpr size_t kLocks = 256;

// Sum and number of the rows of each list, over all ranks after Share().
class ListSums {
 public:
  ListSums(uint64_t num_lists, int64_t dim, uint64_t num_rows)
      : dim_(static_cast<size_t>(dim)),
        num_lists_(num_lists),
        max_value_(kMaxSum / static_cast<double>(num_rows)),
        values_(num_lists * (dim_ + 1)) {}

  void Clear() { std::fill(values_.begin(), values_.end(), 0); }

  // By any thread.
  void Add(std::span<const float> rows, std::span<const uint32_t> lists) {
    for (size_t i = 0; i < lists.size(); ++i) {
      const std::lock_guard lock(locks_[lists[i] % kLocks]);
      AddRow(rows.subspan(i * dim_, dim_), lists[i]);
    }
  }

  void Share(Communicator& ranks) { ranks.Sum(std::span(values_)); }

  uint64_t Count(uint64_t list) const { return static_cast<uint64_t>(values_[num_lists_ * dim_ + list]); }

  // REQUIRES: Count(list) > 0
  void Mean(uint64_t list, std::span<float> mean) const {
    const double scale = kUnit / static_cast<double>(Count(list));
    for (size_t i = 0; i < dim_; ++i) {
      mean[i] = static_cast<float>(static_cast<double>(values_[list * dim_ + i]) * scale);
    }
  }

 private:
  void AddRow(std::span<const float> row, uint64_t list) {
    int64_t* sums = values_.data() + list * dim_;
    for (size_t i = 0; i < dim_; ++i) {
      if (!(std::abs(row[i]) < max_value_)) {
        Throw(ErrorCode::kInvalidArgument, "a training vector has the value {}: must be finite and below {:.0f}",
              row[i], max_value_);
      }
      sums[i] += std::llrint(static_cast<double>(row[i]) / kUnit);
    }
    ++values_[num_lists_ * dim_ + list];
  }

  size_t dim_;
  uint64_t num_lists_;
  double max_value_;
  std::vector<int64_t> values_;  // [num_lists, dim], then the numbers of rows
  std::array<std::mutex, kLocks> locks_;
};

class Clustering {
 public:
  Clustering(const KMeansSample& sample, std::vector<float> centroids, ThreadPool& pool, Communicator& ranks)
      : sample_(sample),
        dim_(static_cast<size_t>(sample.dim)),
        centroids_(std::move(centroids)),
        num_lists_(centroids_.size() / dim_),
        sums_(num_lists_, sample.dim, sample.num_rows),
        pool_(pool),
        ranks_(ranks) {}

  void Iterate() {
    sums_.Clear();
    const auto rank = static_cast<uint64_t>(ranks_.rank()), count = static_cast<uint64_t>(ranks_.num_ranks());
    const uint64_t own = sample_.num_blocks > rank ? (sample_.num_blocks - rank + count - 1) / count : 0;
    pool_.ParallelFor(own, [&](size_t i) {
      if (!Interrupted()) AssignBlock(rank + i * count);
    });
    ThrowIfInterrupted();
    sums_.Share(ranks_);
    for (uint64_t list = 0; list < num_lists_; ++list) {
      if (sums_.Count(list) > 0) sums_.Mean(list, Centroid(list));
    }
    FillEmptyLists();
  }

  std::vector<float> Take() { return std::move(centroids_); }

 private:
  std::span<float> Centroid(uint64_t list) { return std::span(centroids_).subspan(list * dim_, dim_); }

  void AssignBlock(uint64_t block) {
    const std::vector<float> rows = sample_.rows(block);
    std::vector<uint32_t> lists(rows.size() / dim_);
    FindNearestRows(rows, centroids_, sample_.dim, lists);
    sums_.Add(rows, lists);
  }

  void FillEmptyLists() {
    using List = std::pair<uint64_t, uint64_t>;                             // rows, number
    const auto is_smaller = [](const List& a, const List& b) {              // of equal ones the
      return a.first != b.first ? a.first < b.first : a.second > b.second;  // first is split
    };
    std::priority_queue<List, std::vector<List>, decltype(is_smaller)> largest(is_smaller);
    for (uint64_t list = 0; list < num_lists_; ++list) largest.emplace(sums_.Count(list), list);
    for (uint64_t list = 0; list < num_lists_; ++list) {
      if (sums_.Count(list) > 0) continue;
      const auto [rows, split] = largest.top();
      if (rows < 2) return;
      largest.pop();
      Split(split, list);
      largest.emplace(rows - rows / 2, split);
      largest.emplace(rows / 2, list);
    }
  }

  void Split(uint64_t list, uint64_t empty) {
    const std::span<float> from = Centroid(list), to = Centroid(empty);
    for (size_t i = 0; i < dim_; ++i) {
      const float step = i % 2 == 0 ? kApart : -kApart;
      to[i] = from[i] * (1 + step);
      from[i] *= 1 - step;
    }
  }

  const KMeansSample& sample_;
  size_t dim_;
  std::vector<float> centroids_;
  uint64_t num_lists_;
  ListSums sums_;
  ThreadPool& pool_;
  Communicator& ranks_;
};

}  // namespace

std::vector<float> KMeans(const KMeansSample& sample, std::vector<float> centroids, int iterations, ThreadPool& pool,
                          Communicator& ranks) {
  Clustering clustering(sample, std::move(centroids), pool, ranks);
  Progress progress("train", "iterations", static_cast<uint64_t>(iterations));
  for (int i = 0; i < iterations; ++i) {
    clustering.Iterate();
    progress.Add(1);
  }
  progress.Finish();
  return clustering.Take();
}

}  // namespace retro
