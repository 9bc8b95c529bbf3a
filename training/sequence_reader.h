// The sequences of one part of a corpus, with their neighbours where it has a table.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "datasets/chunk_source.h"
#include "datasets/corpus.h"
#include "datasets/neighbour_table.h"
#include "datasets/token_sequences.h"
#include "training/batch.h"

namespace retro {

// How the model takes its neighbours; k is 0 for a model without.
struct NeighbourShape {
  int64_t chunk_len = 0;
  int64_t num_neighbours = 0;
  int64_t neighbour_len = 0;
};

// Where the neighbours of a part are. `chunks` must live as long as the reader.
struct NeighbourSource {
  std::filesystem::path table;
  std::filesystem::path database;
  const ChunkSource* chunks = nullptr;
};

// Const methods are safe from many threads.
class SequenceReader {
 public:
  // Throws Error(kInvalidArgument) when the corpus is shorter than a sequence, when the table was made from another
  // corpus, part, database or sequence length, does not fit the shape, or holds no neighbour at all.
  SequenceReader(const std::filesystem::path& corpus, const std::string& part, uint32_t seq_len,
                 const NeighbourShape& shape, const std::optional<NeighbourSource>& neighbours);

  uint64_t num_sequences() const { return sequences_.num_sequences(); }
  const Manifest& manifest() const { return corpus_->manifest(); }
  const std::filesystem::path& folder() const { return folder_; }
  bool has_neighbours() const { return table_.has_value(); }

  // Adds a sequence as the last one of a batch. A batch holds sequences of one length and shape.
  void Append(uint64_t sequence, TrainingBatch& batch) const;

 private:
  void CheckTable(const std::string& part, const NeighbourSource& neighbours) const;
  void AppendNeighbours(uint64_t sequence, TrainingBatch& batch) const;

  std::filesystem::path folder_;
  std::unique_ptr<const Corpus> corpus_;
  TokenSequences sequences_;
  NeighbourShape shape_;
  std::optional<NeighbourTable> table_;
  const ChunkSource* chunks_ = nullptr;
};

}  // namespace retro
