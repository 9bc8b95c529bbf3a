// Seeded unit vectors in clusters, and the two ways to find neighbours by looking at all of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <vector>

#include "retriever/half_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {

inline std::vector<float> RandomUnitVectors(uint64_t count, int64_t dim, uint64_t seed = 1) {
  std::mt19937_64 random(seed), centre_random(99);
  std::normal_distribution<float> normal;
  std::vector<float> centres(50 * dim), values(count * dim);
  for (float& value : centres) value = normal(centre_random);
  for (uint64_t row = 0; row < count; ++row) {
    const float* centre = centres.data() + random() % 50 * dim;
    float squares = 0;
    for (int64_t i = 0; i < dim; ++i) {
      float& value = values[row * dim + i];
      value = centre[i] + 0.7f * normal(random);
      squares += value * value;
    }
    for (int64_t i = 0; i < dim; ++i) values[row * dim + i] /= std::sqrt(squares);
  }
  return values;
}

// Rows rounded to half precision and back: what HalfEmbeddings will hold.
inline std::vector<float> RoundedToHalf(std::span<const float> values) {
  std::vector<uint16_t> halves(values.size());
  std::vector<float> rounded(values.size());
  FloatToHalf(values, halves);
  HalfToFloat(halves, rounded);
  return rounded;
}

inline void WriteEmbeddings(const std::filesystem::path& folder, std::span<const float> values, int64_t dim,
                            uint64_t block_rows) {
  MakeDirectories(folder);
  const uint64_t rows = values.size() / dim;
  for (uint64_t begin = 0, block = 0; begin < rows; begin += block_rows, ++block) {
    const auto part = values.subspan(begin * dim, std::min(block_rows, rows - begin) * dim);
    std::vector<uint16_t> halves(part.size());
    FloatToHalf(part, halves);
    RecordFileWriter writer(EmbeddingsBlockPath(folder, block), EmbeddingsFormat(dim));
    writer.Append(std::span<const uint16_t>(halves));
    writer.Finish();
  }
}

inline std::vector<Neighbour> NearestByBruteForce(std::span<const float> vectors, std::span<const float> query, int k) {
  std::vector<Neighbour> found(vectors.size() / query.size());
  for (uint64_t row = 0; row < found.size(); ++row) {
    double sum = 0;
    for (size_t i = 0; i < query.size(); ++i) {
      const double difference = double{query[i]} - vectors[row * query.size() + i];
      sum += difference * difference;
    }
    found[row] = {ChunkId{row}, static_cast<float>(sum)};
  }
  std::sort(found.begin(), found.end(), [](const Neighbour& a, const Neighbour& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.chunk < b.chunk;
  });
  found.resize(std::min<size_t>(k, found.size()));
  return found;
}

inline std::vector<uint64_t> Ids(const std::vector<Neighbour>& found) {
  std::vector<uint64_t> ids;
  for (const Neighbour& neighbour : found) ids.push_back(neighbour.chunk.value);
  return ids;
}

}  // namespace retro
