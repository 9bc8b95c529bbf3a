#include "evaluation/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "evaluation/random_numbers.h"

namespace retro {
namespace {

double ToBitsPerByte(double nats, uint64_t bytes) {
  if (bytes == 0) return std::numeric_limits<double>::quiet_NaN();
  return nats / std::numbers::ln2 / static_cast<double>(bytes);
}

// Between the two nearest of sorted values, as numpy's default does.
double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double BitsPerByteDifference(std::span<const PairedNats> documents) {
  double nats = 0;
  uint64_t bytes = 0;
  for (const PairedNats& document : documents) {
    nats += document.nats - document.reference_nats;
    bytes += document.bytes;
  }
  return ToBitsPerByte(nats, bytes);
}

std::optional<Interval> BootstrapInterval(std::span<const PairedNats> documents, const BootstrapOptions& options) {
  std::vector<PairedNats> counted;
  std::ranges::copy_if(documents, std::back_inserter(counted), [](const PairedNats& d) { return d.bytes > 0; });
  if (counted.size() < 2) return std::nullopt;
  RandomNumbers random(options.seed);
  std::vector<double> differences;
  for (int sample = 0; sample < options.num_samples; ++sample) {
    double nats = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < counted.size(); ++i) {
      const PairedNats& drawn = counted[random.Below(counted.size())];
      nats += drawn.nats - drawn.reference_nats;
      bytes += drawn.bytes;
    }
    differences.push_back(ToBitsPerByte(nats, bytes));
  }
  std::ranges::sort(differences);
  const double tail = (1 - options.confidence) / 2;
  return Interval{Quantile(differences, tail), Quantile(differences, 1 - tail)};
}

}  // namespace retro
