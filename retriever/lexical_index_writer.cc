#include "retriever/lexical_index_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <queue>
#include <system_error>

#include "core/error.h"
#include "core/interrupt.h"
#include "retriever/lexical_format.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr size_t kLeastPostings = 4096;
// How many terms are merged between two looks at Ctrl-C.
constexpr uint64_t kTermsAtOnce = 1024;

void AppendLeb128(uint64_t value, std::vector<std::byte>& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

// Writes the postings of one term after the other.
class PostingsWriter {
 public:
  PostingsWriter(const fs::path& folder, std::span<const uint16_t> lengths)
      : lengths_(lengths),
        terms_(folder / "terms", kTermsFormat),
        blocks_(folder / "blocks", kBlocksFormat),
        postings_(folder / "postings", kPostingsFormat) {}

  // Chunks in ascending order.
  void Add(uint64_t chunk, uint32_t count) {
    if (in_block_ == 0) block_ = {.last_chunk = 0, .end_byte = 0, .max_count = 0, .min_length = UINT32_MAX};
    const uint64_t passed = chunk - next_chunk_;
    AppendLeb128(passed << 1 | (count > 1 ? 1 : 0), bytes_);
    if (count > 1) AppendLeb128(count - 2, bytes_);
    next_chunk_ = chunk + 1;
    block_.last_chunk = chunk;
    block_.max_count = std::max(block_.max_count, count);
    block_.min_length = std::min<uint32_t>(block_.min_length, lengths_[chunk]);
    ++num_chunks_;
    if (++in_block_ == kPostingsPerBlock) EndBlock();
  }

  void EndTerm(LexicalTerm term) {
    if (in_block_ > 0) EndBlock();
    const TermRecord record{.term = term, .end_block = blocks_.num_records(), .num_chunks = num_chunks_};
    terms_.Append(std::span(&record, 1));
    num_chunks_ = next_chunk_ = 0;
  }

  void Finish() {
    postings_.Finish();
    blocks_.Finish();
    terms_.Finish();
  }

 private:
  void EndBlock() {
    postings_.Append(std::span<const std::byte>(bytes_));
    block_.end_byte = postings_.num_records();
    blocks_.Append(std::span<const BlockRecord>(&block_, 1));
    bytes_.clear();
    in_block_ = 0;
  }

  std::span<const uint16_t> lengths_;
  RecordFileWriter terms_, blocks_, postings_;
  BlockRecord block_;
  uint64_t in_block_ = 0, num_chunks_ = 0, next_chunk_ = 0;
  std::vector<std::byte> bytes_;  // of the block
};

}  // namespace

// Goes through the postings of all runs, by term and then by chunk: runs follow one another in their chunks.
class LexicalIndexWriter::Merger {
 public:
  explicit Merger(const std::vector<Run>& runs) {
    for (const Run& run : runs) {
      Cursor cursor{.file = RecordFile(run.file, Format()), .left = {}, .first_chunk = run.first_chunk};
      cursor.left = cursor.file.Records<Posting>();
      if (!cursor.left.empty()) cursors_.push_back(std::move(cursor));
    }
    for (size_t i = 0; i < cursors_.size(); ++i) heads_.push({cursors_[i].left.front().term, i});
  }

  static RecordFormat Format() { return {.kind = "lexical run", .record_bytes = sizeof(Posting)}; }

  // The next term, with all of its postings; nothing after the last one.
  std::optional<LexicalTerm> Next(PostingsWriter& out) {
    if (heads_.empty()) return std::nullopt;
    const LexicalTerm term = heads_.top().first;
    while (!heads_.empty() && heads_.top().first == term) {
      const size_t index = heads_.top().second;
      heads_.pop();
      Cursor& cursor = cursors_[index];
      while (!cursor.left.empty() && cursor.left.front().term == term) {
        out.Add(cursor.first_chunk + cursor.left.front().chunk, cursor.left.front().count);
        cursor.left = cursor.left.subspan(1);
      }
      if (!cursor.left.empty()) heads_.push({cursor.left.front().term, index});
    }
    return term;
  }

 private:
  struct Cursor {
    RecordFile file;
    std::span<const Posting> left;
    uint64_t first_chunk = 0;
  };
  using Head = std::pair<LexicalTerm, size_t>;  // of a cursor

  std::vector<Cursor> cursors_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
};

LexicalIndexWriter::LexicalIndexWriter(const fs::path& folder, size_t memory_bytes)
    : folder_(folder), max_postings_(std::max(memory_bytes / sizeof(Posting), kLeastPostings)) {
  MakeDirectories(folder);
  postings_.reserve(max_postings_);  // growing by copies would take more than the bound
  lengths_ = std::make_unique<RecordFileWriter>(folder / "lengths", kLengthsFormat);
}

LexicalIndexWriter::~LexicalIndexWriter() = default;

void LexicalIndexWriter::Add(std::span<const LexicalTerm> terms) {
  if (postings_.size() + terms.size() > max_postings_ ||
      num_chunks_ - run_first_chunk_ > std::numeric_limits<uint32_t>::max()) {
    EndRun();
  }
  std::vector<LexicalTerm> sorted(terms.begin(), terms.end());
  std::ranges::sort(sorted);
  const auto chunk = static_cast<uint32_t>(num_chunks_ - run_first_chunk_);
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin + 1;
    while (end < sorted.size() && sorted[end] == sorted[begin]) ++end;
    postings_.push_back({sorted[begin], chunk, static_cast<uint32_t>(end - begin)});
    begin = end;
  }
  const auto length = static_cast<uint16_t>(std::min<size_t>(terms.size(), UINT16_MAX));
  lengths_->Append(std::span(&length, 1));
  ++num_chunks_;
}

void LexicalIndexWriter::EndRun() {
  std::ranges::sort(postings_, [](const Posting& a, const Posting& b) {
    return a.term != b.term ? a.term < b.term : a.chunk < b.chunk;
  });
  runs_.push_back({folder_ / fmt::format("run-{:05}", runs_.size()), run_first_chunk_});
  RecordFileWriter writer(runs_.back().file, Merger::Format());
  writer.Append(std::span<const Posting>(postings_));
  writer.Finish();
  postings_.clear();
  run_first_chunk_ = num_chunks_;
}

void LexicalIndexWriter::Finish() {
  EndRun();
  postings_ = {};
  lengths_->Finish();
  {
    const RecordFile lengths(folder_ / "lengths", kLengthsFormat);
    PostingsWriter writer(folder_, lengths.Records<uint16_t>());
    Merger merger(runs_);
    for (uint64_t count = 0; const auto term = merger.Next(writer); ++count) {
      if (count % kTermsAtOnce == 0) ThrowIfInterrupted();
      writer.EndTerm(*term);
    }
    writer.Finish();
  }
  for (const Run& run : runs_) {
    std::error_code error;
    fs::remove(run.file, error);
    if (error) ThrowErrno(error.value(), "remove", run.file.string());
  }
}

}  // namespace retro
