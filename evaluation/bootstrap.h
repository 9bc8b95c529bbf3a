// How sure a difference between two ways of scoring the same documents is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace retro {

// What two ways of scoring gave one document: sums of -ln p, over the same bytes.
struct PairedNats {
  double nats = 0, reference_nats = 0;
  uint64_t bytes = 0;
};

struct BootstrapOptions {
  int num_samples = 2000;
  double confidence = 0.95;
  uint64_t seed = 0;
};

struct Interval {
  double low = 0, high = 0;
};

// Bits per byte of the first minus that of the reference: below 0 where the first is better. NaN without bytes.
double BitsPerByteDifference(std::span<const PairedNats> documents);

// The percentile interval of that difference when as many documents are drawn anew, with replacement, num_samples
// times: whole documents, since the chunks of one are not independent. Documents without bytes do not count; of fewer
// than two documents nothing can be said. A pure function of its arguments.
// REQUIRES: num_samples > 0, 0 < confidence < 1
std::optional<Interval> BootstrapInterval(std::span<const PairedNats> documents, const BootstrapOptions& options);

}  // namespace retro
