#include "training/sequence_reader.h"

#include <algorithm>

#include "core/error.h"

namespace retro {
namespace {

// The same error with the folder's name before it.
TokenSequences CutSequences(const Corpus& corpus, const std::filesystem::path& folder, const std::string& part,
                            uint32_t seq_len) {
  try {
    return TokenSequences(corpus, seq_len);
  } catch (const Error& error) {
    Throw(error.code(), "{} (part {}): {}", folder.string(), part, error.what());
  }
}

bool HasNeighbour(const NeighbourTable& table) {
  for (uint64_t row = 0; row < table.num_rows(); ++row) {
    if (table.Row(row).front() != kNoChunk) return true;
  }
  return false;
}

}  // namespace

SequenceReader::SequenceReader(const std::filesystem::path& corpus, const std::string& part, uint32_t seq_len,
                               const NeighbourShape& shape, const std::optional<NeighbourSource>& neighbours)
    : folder_(corpus),
      corpus_(std::make_unique<Corpus>(corpus, part)),
      sequences_(CutSequences(*corpus_, corpus, part, seq_len)),
      shape_(shape) {
  if (!neighbours || shape.num_neighbours == 0) return;
  table_.emplace(neighbours->table);
  chunks_ = neighbours->chunks;
  CheckTable(part, *neighbours);
}

void SequenceReader::CheckTable(const std::string& part, const NeighbourSource& neighbours) const {
  const std::string name = neighbours.table.string();
  table_->RequireMadeFrom(folder_, part, sequences_.seq_len(), neighbours.database);
  if (table_->chunk_len() != shape_.chunk_len) {
    Throw(ErrorCode::kInvalidArgument, "{}: its chunks have {} tokens, the model's --chunk-len is {}", name,
          table_->chunk_len(), shape_.chunk_len);
  }
  if (table_->k() < shape_.num_neighbours) {
    Throw(ErrorCode::kInvalidArgument, "{}: has {} neighbours a chunk, the model wants --k {}; build it with that many",
          name, table_->k(), shape_.num_neighbours);
  }
  if (shape_.neighbour_len > 2 * int64_t{chunks_->chunk_len()}) {
    Throw(ErrorCode::kInvalidArgument, "{}: a chunk and its continuation have {} tokens, --neighbour-len {} is more",
          neighbours.database.string(), 2 * chunks_->chunk_len(), shape_.neighbour_len);
  }
  if (!HasNeighbour(*table_)) {
    Throw(ErrorCode::kInvalidArgument,
          "{}: no chunk has a neighbour, so there is nothing to learn from retrieval; build it with a larger database "
          "or a weaker filter",
          name);
  }
}

void SequenceReader::Append(uint64_t sequence, TrainingBatch& batch) const {
  const size_t seq_len = sequences_.seq_len();
  std::vector<TokenId> tokens(seq_len + 1);
  sequences_.Read(sequence, tokens);
  batch.seq_len = static_cast<int64_t>(seq_len);
  batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end() - 1);
  batch.targets.insert(batch.targets.end(), tokens.begin() + 1, tokens.end());
  ++batch.num_sequences;
  if (shape_.num_neighbours > 0) AppendNeighbours(sequence, batch);
}

void SequenceReader::AppendNeighbours(uint64_t sequence, TrainingBatch& batch) const {
  batch.num_chunks = batch.seq_len / shape_.chunk_len;
  batch.num_neighbours = shape_.num_neighbours;
  batch.neighbour_len = shape_.neighbour_len;
  const size_t wanted = static_cast<size_t>(batch.num_chunks * shape_.num_neighbours),
               first = batch.neighbour_lengths.size();
  batch.neighbour_lengths.resize(first + wanted, 0);
  batch.neighbour_tokens.resize((first + wanted) * shape_.neighbour_len, 0);
  if (!table_) return;
  std::vector<ChunkId> ids;
  std::vector<size_t> places;
  for (size_t i = 0; i < wanted; ++i) {
    const uint64_t row = sequence * batch.num_chunks + i / shape_.num_neighbours;
    const uint64_t id = table_->Row(row)[i % shape_.num_neighbours];
    if (id == kNoChunk) continue;
    ids.push_back({id});
    places.push_back(first + i);
  }
  const size_t stored = 2 * size_t{chunks_->chunk_len()};
  std::vector<TokenId> tokens(ids.size() * stored);
  std::vector<uint32_t> lengths(ids.size());
  chunks_->GetNeighbours(ids, tokens, lengths);
  for (size_t i = 0; i < ids.size(); ++i) {
    const uint32_t length = std::min<uint32_t>(lengths[i], shape_.neighbour_len);
    batch.neighbour_lengths[places[i]] = length;
    std::copy_n(tokens.begin() + i * stored, length, batch.neighbour_tokens.begin() + places[i] * shape_.neighbour_len);
  }
}

}  // namespace retro
