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

void AppendRow(const HalfEmbeddings& embeddings, ChunkId chunk, std::vector<float>& rows) {
  const std::span<const uint16_t> row = embeddings.Row(chunk);
  const size_t at = rows.size();
  rows.resize(at + row.size());
  HalfToFloat(row, std::span(rows).subspan(at));
}

void AddAll(VectorIndex& index, const HalfEmbeddings& embeddings, size_t memory_bytes) {
  const uint64_t batch = std::min(kMaxBatchRows, RowsWithin(memory_bytes / kBatchShare, embeddings.dim()));
  Progress progress("index", "vectors", embeddings.size());
  for (uint64_t begin = 0; begin < embeddings.size(); begin += batch) {
    ThrowIfInterrupted();
    const uint64_t end = std::min(begin + batch, embeddings.size());
    index.Add(FloatRows(embeddings, begin, end));
    progress.Add(end - begin);
  }
  progress.Finish();
}

}  // namespace

uint64_t NumTrainingVectors(const VectorIndex& index, uint64_t rows, const VectorStageOptions& options) {
  if (!index.NeedsTraining()) return 0;
  const uint64_t wanted = options.training_chunks > 0 ? options.training_chunks : index.TrainingVectors();
  return std::min({rows, wanted, RowsWithin(options.memory_bytes / kSampleShare, index.dim())});
}

VectorIndex TrainVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options) {
  VectorIndex index(embeddings.dim(), options.factory);
  if (!index.NeedsTraining()) return index;
  const uint64_t count = NumTrainingVectors(index, embeddings.size(), options);
  std::vector<float> rows;
  rows.reserve(count * static_cast<size_t>(embeddings.dim()));
  for (const uint64_t chunk : SampleWithoutReplacement(embeddings.size(), count, options.seed)) {
    AppendRow(embeddings, {chunk}, rows);
  }
  ThrowIfInterrupted();
  index.Train(rows);
  return index;
}

std::vector<float> FloatRows(const HalfEmbeddings& embeddings, uint64_t begin, uint64_t end) {
  std::vector<float> rows;
  rows.reserve((end - begin) * static_cast<size_t>(embeddings.dim()));
  for (uint64_t chunk = begin; chunk < end; ++chunk) AppendRow(embeddings, {chunk}, rows);
  return rows;
}

BuiltIndex BuildVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options) {
  const uint64_t training_vectors =
      NumTrainingVectors(VectorIndex(embeddings.dim(), options.factory), embeddings.size(), options);
  BuiltIndex built{TrainVectorIndex(embeddings, options), training_vectors};
  AddAll(built.index, embeddings, options.memory_bytes);
  return built;
}

}  // namespace retro
