#include "index-builder/vector_stage.h"

#include <algorithm>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "index-builder/kmeans.h"
#include "index-builder/sample.h"

namespace retro {
namespace {

// Of the memory. The sample is kept in half precision; of rows in single precision FAISS makes copies.
constexpr size_t kSampleShare = 4;
constexpr size_t kBatchShare = 16;
constexpr uint64_t kMaxBatchRows = 65'536;
// What FAISS trains a table of 256 codes on; those of 16 codes take 4,096.
constexpr uint64_t kMaxCodeTrainingRows = 65'536;
constexpr uint64_t kSampleBlockRows = 1024;

uint64_t RowsWithin(size_t bytes, int64_t dim, size_t value_bytes = sizeof(float)) {
  return std::max<uint64_t>(1, bytes / (static_cast<uint64_t>(dim) * value_bytes));
}

void AppendRow(const HalfEmbeddings& embeddings, ChunkId chunk, std::vector<float>& rows) {
  const std::span<const uint16_t> row = embeddings.Row(chunk);
  const size_t at = rows.size();
  rows.resize(at + row.size());
  HalfToFloat(row, std::span(rows).subspan(at));
}

std::vector<float> FloatRows(const HalfEmbeddings& embeddings, std::span<const uint64_t> chunks) {
  std::vector<float> rows;
  rows.reserve(chunks.size() * static_cast<size_t>(embeddings.dim()));
  for (const uint64_t chunk : chunks) AppendRow(embeddings, {chunk}, rows);
  return rows;
}

// `count` of them, drawn at random.
std::vector<uint64_t> Some(std::span<const uint64_t> chunks, uint64_t count, uint64_t seed) {
  std::vector<uint64_t> some = SampleWithoutReplacement(chunks.size(), count, seed);
  for (uint64_t& chunk : some) chunk = chunks[chunk];
  return some;
}

// The blocks of the training sample that a rank assigns, in memory.
class SampleShare {
 public:
  SampleShare(const HalfEmbeddings& embeddings, std::span<const uint64_t> chunks, const VectorIndex& index,
              const Communicator& ranks)
      : index_(index), block_values_(kSampleBlockRows * static_cast<size_t>(embeddings.dim())), ranks_(ranks) {
    const uint64_t step = kSampleBlockRows * static_cast<uint64_t>(ranks.num_ranks());
    for (uint64_t begin = kSampleBlockRows * static_cast<uint64_t>(ranks.rank()); begin < chunks.size();
         begin += step) {
      for (uint64_t i = begin; i < std::min<uint64_t>(begin + kSampleBlockRows, chunks.size()); ++i) {
        const std::span<const uint16_t> row = embeddings.Row({chunks[i]});
        rows_.insert(rows_.end(), row.begin(), row.end());
      }
    }
  }

  std::vector<float> Rows(uint64_t block) const {
    const size_t at = block / static_cast<uint64_t>(ranks_.num_ranks()) * block_values_;
    std::vector<float> rows(std::min(block_values_, rows_.size() - at));
    HalfToFloat(std::span(rows_).subspan(at, rows.size()), rows);
    return index_.Transform(rows);
  }

 private:
  const VectorIndex& index_;
  size_t block_values_;
  const Communicator& ranks_;
  std::vector<uint16_t> rows_;
};

void TrainCentroids(const HalfEmbeddings& embeddings, std::span<const uint64_t> chunks,
                    const VectorStageOptions& options, ThreadPool& pool, Communicator& ranks, VectorIndex& index) {
  const uint64_t wanted = index.num_centroids_wanted();
  if (chunks.size() < wanted) {
    Throw(ErrorCode::kInvalidArgument, "index \"{}\" needs at least {} vectors to train on and got {}; take \"Flat\"",
          index.factory(), wanted, chunks.size());
  }
  const SampleShare share(embeddings, chunks, index, ranks);
  const KMeansSample sample{.num_rows = chunks.size(),
                            .num_blocks = (chunks.size() + kSampleBlockRows - 1) / kSampleBlockRows,
                            .dim = index.centroid_dim(),
                            .rows = [&](uint64_t block) { return share.Rows(block); }};
  std::vector<float> first = index.Transform(FloatRows(embeddings, Some(chunks, wanted, options.seed + 1)));
  index.SetCentroids(KMeans(sample, std::move(first), options.iterations, pool, ranks));
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
  const size_t row_bytes = index.num_centroids_wanted() > 0 ? sizeof(uint16_t) : 2 * sizeof(float);
  return std::min({rows, wanted, RowsWithin(options.memory_bytes / kSampleShare, index.dim(), row_bytes)});
}

uint64_t NumCodeTrainingVectors(const VectorIndex& index, uint64_t rows, const VectorStageOptions& options) {
  const uint64_t sample = NumTrainingVectors(index, rows, options);
  if (index.num_centroids_wanted() == 0) return sample;
  return std::min({sample, kMaxCodeTrainingRows, RowsWithin(options.memory_bytes / kBatchShare, index.dim())});
}

VectorIndex TrainVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options, ThreadPool& pool,
                             Communicator& ranks) {
  VectorIndex index(embeddings.dim(), options.factory);
  if (!index.NeedsTraining()) return index;
  const std::vector<uint64_t> chunks =
      SampleWithoutReplacement(embeddings.size(), NumTrainingVectors(index, embeddings.size(), options), options.seed);
  const std::vector<uint64_t> few =
      Some(chunks, NumCodeTrainingVectors(index, embeddings.size(), options), options.seed + 2);
  if (index.num_centroids_wanted() > 0) {
    index.TrainTransforms(FloatRows(embeddings, few));
    TrainCentroids(embeddings, chunks, options, pool, ranks, index);
  }
  ThrowIfInterrupted();
  index.Train(FloatRows(embeddings, few));
  return index;
}

std::vector<float> FloatRows(const HalfEmbeddings& embeddings, uint64_t begin, uint64_t end) {
  std::vector<float> rows;
  rows.reserve((end - begin) * static_cast<size_t>(embeddings.dim()));
  for (uint64_t chunk = begin; chunk < end; ++chunk) AppendRow(embeddings, {chunk}, rows);
  return rows;
}

BuiltIndex BuildVectorIndex(const HalfEmbeddings& embeddings, const VectorStageOptions& options, ThreadPool& pool) {
  const uint64_t training_vectors =
      NumTrainingVectors(VectorIndex(embeddings.dim(), options.factory), embeddings.size(), options);
  SingleProcess alone;
  BuiltIndex built{TrainVectorIndex(embeddings, options, pool, alone), training_vectors};
  AddAll(built.index, embeddings, options.memory_bytes);
  return built;
}

}  // namespace retro
