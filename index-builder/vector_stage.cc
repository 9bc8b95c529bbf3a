#include "index-builder/vector_stage.h"

#include <algorithm>

#include "core/interrupt.h"
#include "core/progress.h"
#include "index-builder/sample.h"

namespace retro {
namespace {

// FAISS works on a copy of what it is given, so a sample or a batch takes its part of the memory twice or more.
constexpr size_t kSampleShare = 3;
constexpr size_t kBatchShare = 8;
constexpr uint64_t kMaxBatchRows = 65'536;

uint64_t RowsWithin(size_t bytes, int64_t dim) {
  return std::max<uint64_t>(1, bytes / (static_cast<uint64_t>(dim) * sizeof(float)));
}

// Rows `chunks[begin]` ... as floats.
void AppendRow(const HalfEmbeddings& embeddings, ChunkId chunk, std::vector<float>& rows) {
  const std::span<const uint16_t> row = embeddings.Row(chunk);
  const size_t at = rows.size();
  rows.resize(at + row.size());
  HalfToFloat(row, std::span(rows).subspan(at));
}

uint64_t Train(VectorIndex& index, const HalfEmbeddings& embeddings, const VectorStageOptions& options) {
  const uint64_t wanted = options.training_chunks > 0 ? options.training_chunks : index.TrainingVectors();
  const uint64_t count = std::min(wanted, RowsWithin(options.memory_bytes / kSampleShare, embeddings.dim()));
  const auto sample = SampleWithoutReplacement(embeddings.size(), count, options.seed);
  std::vector<float> rows;
  rows.reserve(sample.size() * static_cast<size_t>(embeddings.dim()));
  for (const uint64_t chunk : sample) AppendRow(embeddings, {chunk}, rows);
  ThrowIfInterrupted();
  index.Train(rows);
  return sample.size();
}

void AddAll(VectorIndex& index, const HalfEmbeddings& embeddings, size_t memory_bytes) {
  const uint64_t batch = std::min(kMaxBatchRows, RowsWithin(memory_bytes / kBatchShare, embeddings.dim()));
  Progress progress("index", "vectors", embeddings.size());
  std::vector<float> rows;
  for (uint64_t begin = 0; begin < embeddings.size(); begin += batch) {
    ThrowIfInterrupted();
    const uint64_t end = std::min(begin + batch, embeddings.size());
    rows.clear();
    for (uint64_t chunk = begin; chunk < end; ++chunk) AppendRow(embeddings, {chunk}, rows);
    index.Add(rows);
    progress.Add(end - begin);
  }
  progress.Finish();
}

}  // namespace

BuiltIndex BuildVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options) {
  BuiltIndex built{VectorIndex(embeddings.dim(), options.factory)};
  if (built.index.NeedsTraining()) built.training_vectors = Train(built.index, embeddings, options);
  AddAll(built.index, embeddings, options.memory_bytes);
  return built;
}

}  // namespace retro
