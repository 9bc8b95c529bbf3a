#include "index-builder/neighbour_candidates.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "retriever/passage_text.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// Chunks that are embedded and searched at once: enough to keep many threads busy and to sort by length, few enough to
// answer Ctrl-C in seconds. The same for any number of threads, since rounding depends on the batch.
constexpr uint64_t kBatchRows = 2048;

uint64_t RowsOfBlock(uint64_t block, uint64_t num_rows, uint32_t block_rows) {
  return std::min<uint64_t>(block_rows, num_rows - block * block_rows);
}

bool IsGoodBlock(const fs::path& stem, uint32_t candidates, uint64_t num_rows) {
  std::error_code error;
  if (!fs::exists(NeighbourIdsPath(stem), error) || !fs::exists(NeighbourDistancesPath(stem), error)) return false;
  try {
    const NeighbourRows rows(stem, candidates);
    rows.VerifyChecksums();
    return rows.num_rows() == num_rows;
  } catch (const Error& found) {
    if (found.code() != ErrorCode::kCorruption) throw;
    return false;  // it is searched again
  }
}

class CandidateSearch {
 public:
  CandidateSearch(const TokenSequences& chunks, const RetrievalDatabase& database, const CandidateOptions& options,
                  ThreadPool& pool)
      : chunks_(chunks), database_(database), options_(options), pool_(pool) {}

  // Rows [first, first + count) into one block.
  void WriteBlock(const fs::path& stem, uint64_t first, uint64_t count, Progress& progress) {
    NeighbourRowsWriter writer(stem, options_.candidates);
    for (uint64_t begin = first; begin < first + count; begin += kBatchRows) {
      ThrowIfInterrupted();
      const uint64_t size = std::min(kBatchRows, first + count - begin);
      Append(Search(begin, size), writer);
      progress.Add(size);
    }
    writer.Finish();
  }

 private:
  std::vector<std::vector<Neighbour>> Search(uint64_t first, uint64_t count) {
    std::vector<std::string> texts(count);
    pool_.ParallelFor(count, [&](size_t i) {
      std::vector<TokenId> tokens(chunks_.seq_len());
      chunks_.ReadTokens((first + i) * chunks_.seq_len(), tokens);
      texts[i] = PassageText(database_.tokenizer(), tokens);
    });
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const SearchOptions search{
        .k = static_cast<int>(options_.candidates), .nprobe = options_.nprobe, .rerank_factor = options_.rerank_factor};
    return database_.Search(views, search, pool_);
  }

  void Append(const std::vector<std::vector<Neighbour>>& found, NeighbourRowsWriter& writer) const {
    const size_t width = options_.candidates;
    std::vector<uint64_t> ids(found.size() * width, kNoChunk);
    std::vector<float> distances(ids.size(), kNoDistance);
    for (size_t row = 0; row < found.size(); ++row) {
      for (size_t i = 0; i < found[row].size(); ++i) {
        ids[row * width + i] = found[row][i].chunk.value;
        distances[row * width + i] = found[row][i].distance;
      }
    }
    writer.Append(ids, distances);
  }

  const TokenSequences& chunks_;
  const RetrievalDatabase& database_;
  const CandidateOptions& options_;
  ThreadPool& pool_;
};

}  // namespace

fs::path CandidateBlockStem(const fs::path& folder, uint64_t block) {
  return folder / fmt::format("block-{:05}", block);
}

uint64_t NumCandidateBlocks(uint64_t num_rows, const CandidateOptions& options) {
  return (num_rows + options.block_rows - 1) / options.block_rows;
}

void SearchCandidates(const TokenSequences& chunks, const RetrievalDatabase& database, const fs::path& folder,
                      const CandidateOptions& options, const std::function<void(std::string_view step)>& on_step,
                      ThreadPool& pool) {
  const uint64_t num_rows = chunks.num_sequences();
  Progress progress("neighbour search", "chunks", num_rows);
  CandidateSearch search(chunks, database, options, pool);
  for (uint64_t block = 0; block < NumCandidateBlocks(num_rows, options); ++block) {
    const fs::path stem = CandidateBlockStem(folder, block);
    const uint64_t count = RowsOfBlock(block, num_rows, options.block_rows);
    if (IsGoodBlock(stem, options.candidates, count)) {
      progress.Add(count);
      continue;
    }
    search.WriteBlock(stem, block * options.block_rows, count, progress);
    if (on_step) on_step(fmt::format("block {}", block));
  }
  progress.Finish();
}

CandidateBlocks::CandidateBlocks(const fs::path& folder, uint64_t num_rows, const CandidateOptions& options)
    : block_rows_(options.block_rows) {
  for (uint64_t block = 0; block < NumCandidateBlocks(num_rows, options); ++block) {
    const fs::path stem = CandidateBlockStem(folder, block);
    blocks_.emplace_back(stem, options.candidates);
    const uint64_t rows = RowsOfBlock(block, num_rows, block_rows_);
    if (blocks_.back().num_rows() == rows) continue;
    Throw(ErrorCode::kCorruption, "{} has {} rows, not {}; build the neighbours again", NeighbourIdsPath(stem).string(),
          blocks_.back().num_rows(), rows);
  }
}

}  // namespace retro
