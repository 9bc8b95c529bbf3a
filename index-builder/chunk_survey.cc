#include "index-builder/chunk_survey.h"

#include <algorithm>

#include "core/hash.h"
#include "core/interrupt.h"
#include "core/progress.h"

namespace retro {
namespace {

constexpr uint64_t kBatchChunks = 4096;

}  // namespace

DocumentKey KeyOfDocument(std::string_view id) { return HashBytes(id); }

ChunkSurvey::ChunkSurvey(const ChunkReader& chunks, size_t vocab_size) : terms_(vocab_size) {
  Progress progress("survey of the database", "chunks", chunks.num_chunks());
  std::vector<ChunkRecord> records;
  for (uint64_t first = 0; first < chunks.num_chunks(); first += kBatchChunks) {
    ThrowIfInterrupted();
    const uint64_t left = chunks.num_chunks() - first, count = std::min(kBatchChunks, left);
    chunks.ReadRange({first}, std::min(count + 1, left), records);  // one more: the last one's continuation
    Add(chunks, records, count);
    progress.Add(count);
  }
  progress.Finish();
}

void ChunkSurvey::Add(const ChunkReader& chunks, const std::vector<ChunkRecord>& records, size_t count) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < count; ++i) {
    const ChunkRecord& chunk = records[i];
    if (chunk.position == 0) {
      first_chunks_.push_back(chunk.id.value);
      keys_.push_back(KeyOfDocument(chunks.Document(chunk.document).id));
    }
    if (chunks.IsRemoved(chunk.id)) continue;
    tokens = chunk.tokens;
    if (i + 1 < records.size() && records[i + 1].document == chunk.document) {
      tokens.insert(tokens.end(), records[i + 1].tokens.begin(), records[i + 1].tokens.end());
    }
    terms_.Add(tokens);
  }
}

DocumentKey ChunkSurvey::DocumentOf(ChunkId chunk) const {
  const auto next = std::upper_bound(first_chunks_.begin(), first_chunks_.end(), chunk.value);
  return keys_[next - first_chunks_.begin() - 1];
}

}  // namespace retro
