#include "index-builder/neighbour_selection.h"

#include <algorithm>

#include "datasets/token_overlap.h"

namespace retro {
namespace {

// 0 to 1/8 is the first.
size_t OverlapBin(uint32_t overlap, uint32_t chunk_len) {
  constexpr size_t kBins = SelectionCounts::kOverlapBins;
  const size_t eighths = (static_cast<size_t>(overlap) * kBins + chunk_len - 1) / chunk_len;
  return eighths == 0 ? 0 : eighths - 1;
}

}  // namespace

SelectionCounts& SelectionCounts::operator+=(const SelectionCounts& other) {
  rows += other.rows;
  short_rows += other.short_rows;
  empty_rows += other.empty_rows;
  candidates += other.candidates;
  neighbours += other.neighbours;
  same_document += other.same_document;
  next_overlap += other.next_overlap;
  row_overlap += other.row_overlap;
  short_neighbours += other.short_neighbours;
  distances += other.distances;
  for (size_t i = 0; i < kOverlapBins; ++i) overlaps[i] += other.overlaps[i];
  return *this;
}

nlohmann::json SelectionCounts::ToJson() const {
  return {{"rows", rows},
          {"short_rows", short_rows},
          {"empty_rows", empty_rows},
          {"candidates", candidates},
          {"neighbours", neighbours},
          {"dropped", {{"same_document", same_document}, {"next_overlap", next_overlap}, {"row_overlap", row_overlap}}},
          {"short_neighbours", short_neighbours},
          {"mean_distance", neighbours == 0 ? 0 : distances / static_cast<double>(neighbours)},
          {"next_overlap", overlaps}};
}

// A chunk of a sequence with the candidates that are of other documents.
struct NeighbourSelector::Row {
  std::vector<TokenId> chunk, next;  // the chunk that neighbours are for, and what follows in the corpus
  std::vector<ChunkId> ids;          // candidates, best first
  std::vector<float> distances;
  std::vector<TokenId> tokens;  // of each, with its continuation: 2 * chunk_len places
  std::vector<uint32_t> lengths;

  std::span<const TokenId> WithContinuation(size_t i) const {
    const size_t width = tokens.size() / ids.size();
    return {tokens.data() + i * width, lengths[i]};
  }
  std::span<const TokenId> Alone(size_t i) const {
    const auto both = WithContinuation(i);
    return both.first(std::min(both.size(), tokens.size() / ids.size() / 2));
  }
};

NeighbourSelector::NeighbourSelector(const Corpus& corpus, const TokenSequences& sequences, const ChunkReader& chunks,
                                     const ChunkSurvey& survey, const CandidateBlocks& candidates,
                                     const SelectionOptions& options)
    : corpus_(corpus),
      sequences_(sequences),
      chunks_(chunks),
      survey_(survey),
      candidates_(candidates),
      options_(options),
      chunk_len_(chunks.chunk_len()) {}

SelectionCounts NeighbourSelector::Select(uint64_t sequence, std::span<uint64_t> ids,
                                          std::span<float> distances) const {
  std::ranges::fill(ids, kNoChunk);
  std::ranges::fill(distances, kNoDistance);
  SelectionCounts counts;
  const std::vector<DocumentKey> documents = DocumentsOf(sequence);
  for (size_t u = 0; u < chunks_per_sequence(); ++u) {
    const Row row = ReadRow(sequence * chunks_per_sequence() + u, documents, counts);
    Choose(row, ids.subspan(u * options_.k, options_.k), distances.subspan(u * options_.k, options_.k), counts);
  }
  return counts;
}

// Sorted.
std::vector<DocumentKey> NeighbourSelector::DocumentsOf(uint64_t sequence) const {
  const DocumentRange range = sequences_.Documents(sequence);
  std::vector<DocumentKey> documents;
  for (uint64_t document = range.first.value; document <= range.last.value; ++document) {
    documents.push_back(KeyOfDocument(corpus_.Info({document}).id));
  }
  std::ranges::sort(documents);
  return documents;
}

NeighbourSelector::Row NeighbourSelector::ReadRow(uint64_t row_number, std::span<const DocumentKey> documents,
                                                  SelectionCounts& counts) const {
  Row row;
  const uint64_t begin = row_number * chunk_len_, end = begin + chunk_len_;
  row.chunk.resize(chunk_len_);
  sequences_.ReadTokens(begin, row.chunk);
  row.next.resize(std::min<uint64_t>(chunk_len_, sequences_.num_tokens() - end));
  sequences_.ReadTokens(end, row.next);
  const auto ids = candidates_.Ids(row_number);
  for (size_t i = 0; i < ids.size() && ids[i] != kNoChunk; ++i) {
    ++counts.candidates;
    if (std::ranges::binary_search(documents, survey_.DocumentOf({ids[i]}))) {
      ++counts.same_document;
      continue;
    }
    row.ids.push_back({ids[i]});
    row.distances.push_back(candidates_.Distances(row_number)[i]);
  }
  row.tokens.resize(row.ids.size() * 2 * chunk_len_);
  row.lengths.resize(row.ids.size());
  chunks_.GetNeighbours(row.ids, row.tokens, row.lengths);
  return row;
}

void NeighbourSelector::Choose(const Row& row, std::span<uint64_t> ids, std::span<float> distances,
                               SelectionCounts& counts) const {
  const auto too_much = [&](uint32_t overlap, double most) { return overlap > most * chunk_len_; };
  std::vector<std::span<const TokenId>> candidates;
  for (size_t i = 0; i < row.ids.size(); ++i) candidates.push_back(row.WithContinuation(i));
  std::vector<size_t> chosen;
  for (const size_t i : OrderCandidates(options_.order, row.chunk, candidates, survey_.terms())) {
    if (chosen.size() == ids.size()) break;
    const uint32_t overlap = LongestCommonSubstring(row.next, candidates[i]);
    if (too_much(overlap, options_.max_next_overlap)) {
      ++counts.next_overlap;
      continue;
    }
    const auto repeats = [&](size_t j) {
      const auto alone = row.Alone(i);
      return LongestCommonSubstring(alone, candidates[j]) >
             options_.max_row_overlap * static_cast<double>(alone.size());
    };
    if (options_.max_row_overlap < 1 && std::ranges::any_of(chosen, repeats)) {
      ++counts.row_overlap;
      continue;
    }
    ids[chosen.size()] = row.ids[i].value;
    distances[chosen.size()] = row.distances[i];
    chosen.push_back(i);
    counts.distances += row.distances[i];
    counts.short_neighbours += candidates[i].size() < 2 * chunk_len_;
    ++counts.overlaps[OverlapBin(overlap, chunk_len_)];
  }
  ++counts.rows;
  counts.neighbours += chosen.size();
  counts.short_rows += chosen.size() < ids.size();
  counts.empty_rows += chosen.empty();
}

}  // namespace retro
