#include "training/example_packing.h"

#include <algorithm>
#include <numeric>

namespace retro {

std::vector<std::vector<size_t>> PackIntoBins(std::span<const size_t> lengths, size_t capacity) {
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  std::vector<std::vector<size_t>> bins;
  std::vector<size_t> room;
  for (const size_t item : order) {
    const auto bin = std::ranges::find_if(room, [&](size_t left) { return left >= lengths[item]; });
    const auto index = static_cast<size_t>(bin - room.begin());
    if (bin == room.end()) {
      bins.emplace_back();
      room.push_back(capacity);
    }
    bins[index].push_back(item);
    room[index] -= lengths[item];
  }
  return bins;
}

}  // namespace retro
