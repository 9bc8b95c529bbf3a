// Which part of a corpus a document belongs to, by the hash of its id: the same on every run, for any order of the
// documents and whatever else the corpus holds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace retro {

enum class Part { kTrain, kValid, kTest };

inline constexpr std::array<Part, 3> kParts = {Part::kTrain, Part::kValid, Part::kTest};

std::string_view PartName(Part part);  // "train", "valid", "test"

// Immutable: safe from many threads.
class Split {
 public:
  // Throws Error(kInvalidArgument) when a fraction is below 0 or both together are above 1.
  Split(double valid_fraction, double test_fraction, uint64_t seed);

  // The hash of seed and id, as a number in [0, 1): below valid_fraction it is kValid, from 1 - test_fraction on kTest.
  // So a larger fraction of one part takes documents from kTrain only.
  Part PartOf(std::string_view document_id) const;

 private:
  double valid_fraction_, test_fraction_;
  std::string seed_;
};

}  // namespace retro
