// Reference data under tests/golden/.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/ids.h"

namespace retro {

inline std::filesystem::path GoldenFolder(const std::string& name) {
  return std::filesystem::path(RETRO_SOURCE_DIR) / "tests" / "golden" / name;
}

// Little-endian fp32, as numpy's tofile() writes it.
inline std::vector<float> ReadFloats(const std::filesystem::path& path) {
  const std::string bytes = ReadFile(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

using Sequences = std::vector<std::vector<TokenId>>;

inline Sequences ReadSequences(const std::filesystem::path& path) {
  return nlohmann::json::parse(ReadFile(path)).get<Sequences>();
}

inline std::vector<std::span<const TokenId>> Spans(const Sequences& sequences) {
  return {sequences.begin(), sequences.end()};
}

inline void ExpectNear(std::span<const float> actual, std::span<const float> expected, float tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  float worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    // Written so that a NaN is the worst difference.
    if (const float difference = std::abs(actual[i] - expected[i]); !(difference <= worst)) {
      worst = difference;
      at = i;
      if (difference != difference) break;
    }
  }
  EXPECT_LE(worst, tolerance) << "element " << at << " is " << actual[at] << ", not " << expected[at];
}

}  // namespace retro
