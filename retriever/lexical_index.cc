#include "retriever/lexical_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "retriever/lexical_format.h"

namespace retro {
namespace {

constexpr double kK1 = 0.9, kB = 0.4;
// Bounds and scores are rounded differently; a bound must not be the lower one for that.
constexpr double kBoundSlack = 1 + 1e-9;
constexpr uint64_t kNoChunk = std::numeric_limits<uint64_t>::max();

double Idf(uint64_t num_chunks, uint64_t with_term) {
  const auto have = static_cast<double>(with_term);
  return std::log1p((static_cast<double>(num_chunks) - have + 0.5) / (have + 0.5));
}

// Reads one LEB128 number; false when it does not end before `end` or has more than 64 bits.
bool ReadLeb128(const std::byte*& p, const std::byte* end, uint64_t& value) {
  value = 0;
  for (int shift = 0; p < end && shift < 64; shift += 7) {
    const auto byte = static_cast<uint64_t>(*p++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

LexicalQuery::LexicalQuery(std::string_view text, std::span<const LexicalIndex* const> parts) {
  uint64_t num_chunks = 0, total_length = 0;
  for (const LexicalIndex* part : parts) {
    num_chunks += part->num_chunks();
    total_length += part->total_length();
  }
  if (total_length == 0) return;
  length_factor_ = kB * static_cast<double>(num_chunks) / static_cast<double>(total_length);
  std::vector<LexicalTerm> words = LexicalTerms(text);
  std::ranges::sort(words);
  for (size_t begin = 0; begin < words.size();) {
    size_t end = begin + 1;
    while (end < words.size() && words[end] == words[begin]) ++end;
    uint64_t with_term = 0;
    for (const LexicalIndex* part : parts) with_term += part->NumChunksWith(words[begin]);
    const double weight = static_cast<double>(end - begin) * Idf(num_chunks, with_term) * (kK1 + 1);
    if (with_term > 0) terms_.push_back({words[begin], weight});
    begin = end;
  }
}

double LexicalQuery::Saturation(uint32_t count, uint32_t length) const {
  const double f = count;
  return f / (f + kK1 * (1 - kB + length_factor_ * length));
}

// The postings of one term, from one chunk to a later one.
class LexicalIndex::Cursor {
 public:
  Cursor(const LexicalIndex& index, const LexicalQuery& query, const LexicalQuery::Term& term)
      : index_(&index), query_(&query), weight_(term.weight), blocks_(index.BlocksOf(term.term)) {
    for (const BlockRecord& block : blocks_) max_score_ = std::max(max_score_, Bound(block));
    Decode(0);
  }

  bool at_end() const { return chunk() == kNoChunk; }
  uint64_t chunk() const { return chunk_; }  // kNoChunk after the last
  double max_score() const { return max_score_; }
  double score(uint32_t length) const { return weight_ * query_->Saturation(counts_[at_], length); }

  // The bound and the last chunk of the block that would hold `chunk`, without going there; 0 and kNoChunk after the
  // last block. Asked of ascending chunks.
  double BlockBound(uint64_t chunk) {
    while (shallow_ < blocks_.size() && blocks_[shallow_].last_chunk < chunk) ++shallow_;
    return shallow_ < blocks_.size() ? Bound(blocks_[shallow_]) : 0;
  }
  uint64_t BlockEnd() const { return shallow_ < blocks_.size() ? blocks_[shallow_].last_chunk : kNoChunk; }

  // To the first posting of `chunk` or of a later one.
  void Advance(uint64_t chunk) {
    if (chunk_ >= chunk) return;
    if (blocks_[block_].last_chunk < chunk) {
      const auto later = std::lower_bound(blocks_.begin() + block_ + 1, blocks_.end(), chunk,
                                          [](const BlockRecord& b, uint64_t c) { return b.last_chunk < c; });
      Decode(later - blocks_.begin());
      if (at_end()) return;
    }
    while (chunks_[at_] < chunk) ++at_;  // the block's last chunk is not before it
    chunk_ = chunks_[at_];
  }

 private:
  double Bound(const BlockRecord& block) const {
    return weight_ * query_->Saturation(block.max_count, block.min_length) * kBoundSlack;
  }

  void Decode(size_t block) {
    block_ = block;
    at_ = 0;
    chunk_ = kNoChunk;
    if (block == blocks_.size()) return;
    const auto bytes = index_->postings_.payload();
    const BlockRecord* record = &blocks_[block];
    const uint64_t begin = record == index_->blocks_.Records<BlockRecord>().data() ? 0 : record[-1].end_byte;
    if (begin > record->end_byte || record->end_byte > bytes.size()) index_->ThrowDamaged();
    const std::byte *p = bytes.data() + begin, *end = bytes.data() + record->end_byte;
    uint64_t next = block == 0 ? 0 : blocks_[block - 1].last_chunk + 1;
    size_t size = 0;
    while (p < end) {
      uint64_t passed = 0, more = 0;
      bool whole = size < kPostingsPerBlock && ReadLeb128(p, end, passed);
      if (whole && (passed & 1) != 0) {
        whole = ReadLeb128(p, end, more);
        more += 1;
      }
      if (!whole) index_->ThrowDamaged();
      chunks_[size] = next + (passed >> 1);
      counts_[size] = static_cast<uint32_t>(1 + more);
      next = chunks_[size++] + 1;
      if (next == 0 || next > index_->num_chunks()) index_->ThrowDamaged();
    }
    if (size == 0 || next != record->last_chunk + 1) index_->ThrowDamaged();
    chunk_ = chunks_[0];
  }

  const LexicalIndex* index_;
  const LexicalQuery* query_;
  double weight_ = 0, max_score_ = 0;
  std::span<const BlockRecord> blocks_;
  size_t block_ = 0, shallow_ = 0, at_ = 0;
  uint64_t chunk_ = kNoChunk;
  std::array<uint64_t, kPostingsPerBlock> chunks_ = {};
  std::array<uint32_t, kPostingsPerBlock> counts_ = {};
};

// The k best so far. Chunks come in ascending order, so of equal ones the first stay.
class LexicalIndex::TopChunks {
 public:
  explicit TopChunks(size_t k) : k_(k) {}

  // What a chunk must be above to come in.
  double threshold() const { return heap_.size() < k_ ? 0 : heap_.front().score; }

  void Add(LexicalHit hit) {
    if (heap_.size() == k_) {
      std::ranges::pop_heap(heap_, Better);
      heap_.pop_back();
    }
    heap_.push_back(hit);
    std::ranges::push_heap(heap_, Better);
  }

  std::vector<LexicalHit> Take() {
    std::ranges::sort(heap_, Better);
    return std::move(heap_);
  }

 private:
  static bool Better(const LexicalHit& a, const LexicalHit& b) {
    return a.score != b.score ? a.score > b.score : a.chunk < b.chunk;
  }

  size_t k_;
  std::vector<LexicalHit> heap_;  // the worst on top
};

LexicalIndex::LexicalIndex(const std::filesystem::path& folder)
    : folder_(folder),
      terms_(folder / "terms", kTermsFormat),
      blocks_(folder / "blocks", kBlocksFormat),
      postings_(folder / "postings", kPostingsFormat),
      lengths_(folder / "lengths", kLengthsFormat) {
  const auto lengths = lengths_.Records<uint16_t>();
  total_length_ = std::accumulate(lengths.begin(), lengths.end(), uint64_t{0});
  const auto terms = terms_.Records<TermRecord>();
  if ((terms.empty() ? 0 : terms.back().end_block) != blocks_.num_records()) ThrowDamaged();
}

void LexicalIndex::ThrowDamaged() const {
  Throw(ErrorCode::kCorruption, "{}: the lexical index is damaged; restore it from a copy, or build the database again",
        folder_.string());
}

const TermRecord* LexicalIndex::Find(LexicalTerm term) const {
  const auto terms = terms_.Records<TermRecord>();
  const auto found = std::ranges::lower_bound(terms, term, {}, &TermRecord::term);
  return found != terms.end() && found->term == term ? &*found : nullptr;
}

uint64_t LexicalIndex::NumChunksWith(LexicalTerm term) const {
  const TermRecord* record = Find(term);
  return record == nullptr ? 0 : record->num_chunks;
}

std::span<const BlockRecord> LexicalIndex::BlocksOf(LexicalTerm term) const {
  const TermRecord* record = Find(term);
  if (record == nullptr) return {};
  const uint64_t begin = record == terms_.Records<TermRecord>().data() ? 0 : record[-1].end_block;
  if (begin > record->end_block || record->end_block > blocks_.num_records()) ThrowDamaged();
  return blocks_.Records<BlockRecord>().subspan(begin, record->end_block - begin);
}

std::vector<LexicalHit> LexicalIndex::Search(const LexicalQuery& query, size_t k,
                                             const std::function<bool(ChunkId)>& admits) const {
  const auto lengths = lengths_.Records<uint16_t>();
  std::vector<Cursor> cursors;  // in the order of the terms, so that a chunk's score is always summed in one order
  cursors.reserve(query.terms().size());
  for (const LexicalQuery::Term& term : query.terms()) {
    if (NumChunksWith(term.term) > 0) cursors.emplace_back(*this, query, term);
  }
  std::vector<Cursor*> order;
  for (Cursor& cursor : cursors) order.push_back(&cursor);
  TopChunks best(k);
  while (k > 0) {
    std::ranges::sort(order, {}, &Cursor::chunk);
    // The pivot is the first chunk whose terms could together come above the threshold.
    double bound = 0;
    size_t end = 0;
    while (end < order.size() && bound <= best.threshold() && !order[end]->at_end()) bound += order[end++]->max_score();
    if (bound <= best.threshold()) break;
    const uint64_t pivot = order[end - 1]->chunk();
    while (end < order.size() && order[end]->chunk() == pivot) ++end;
    // The same bound by the blocks that would hold it, and how far these blocks reach.
    double block_bound = 0;
    uint64_t next = end < order.size() ? order[end]->chunk() : kNoChunk;
    for (size_t i = 0; i < end; ++i) {
      block_bound += order[i]->BlockBound(pivot);
      if (order[i]->BlockEnd() != kNoChunk) next = std::min(next, order[i]->BlockEnd() + 1);
    }
    if (block_bound <= best.threshold()) {
      for (size_t i = 0; i < end; ++i) order[i]->Advance(std::max(next, pivot + 1));
      continue;
    }
    for (size_t i = 0; i < end; ++i) order[i]->Advance(pivot);
    double score = 0;
    for (const Cursor& cursor : cursors) {
      if (cursor.chunk() == pivot) score += cursor.score(lengths[pivot]);
    }
    if (score > best.threshold() && (!admits || admits({pivot}))) best.Add({{pivot}, score});
    for (size_t i = 0; i < end; ++i) order[i]->Advance(pivot + 1);
  }
  return best.Take();
}

}  // namespace retro
