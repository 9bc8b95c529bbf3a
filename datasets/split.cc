#include "datasets/split.h"

#include "core/error.h"
#include "core/hash.h"

namespace retro {

std::string_view PartName(Part part) {
  switch (part) {
    case Part::kTrain:
      return "train";
    case Part::kValid:
      return "valid";
    case Part::kTest:
      return "test";
  }
  return "";
}

Split::Split(double valid_fraction, double test_fraction, uint64_t seed)
    : valid_fraction_(valid_fraction), test_fraction_(test_fraction), seed_(std::to_string(seed) + ":") {
  if (!(valid_fraction >= 0 && test_fraction >= 0 && valid_fraction + test_fraction <= 1)) {
    Throw(ErrorCode::kInvalidArgument,
          "valid fraction {} and test fraction {}: both must be at least 0, and together at most 1", valid_fraction,
          test_fraction);
  }
}

Part Split::PartOf(std::string_view document_id) const {
  Hasher hasher;
  hasher.Update(seed_);
  hasher.Update(document_id);
  const double place = static_cast<double>(hasher.Digest() >> 11) * 0x1p-53;
  if (place < valid_fraction_) return Part::kValid;
  return place >= 1 - test_fraction_ ? Part::kTest : Part::kTrain;
}

}  // namespace retro
