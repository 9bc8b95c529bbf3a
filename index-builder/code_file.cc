#include "index-builder/code_file.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "core/record_file.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr size_t kRowAt = sizeof(uint32_t), kCodeAt = 2 * sizeof(uint32_t);

RecordFormat CodesFormat(size_t code_bytes) {
  return {.kind = "codes", .version = 2, .record_bytes = static_cast<uint32_t>(kCodeAt + code_bytes)};
}

uint32_t ReadNumber(const std::byte* at) {
  uint32_t number;
  std::memcpy(&number, at, sizeof(number));
  return number;
}

// The records of one file.
class CodeFile {
 public:
  CodeFile(const fs::path& path, size_t code_bytes)
      : file_(path, CodesFormat(code_bytes)), record_bytes_(kCodeAt + code_bytes) {}

  uint64_t size() const { return file_.num_records(); }
  const std::byte* Record(uint64_t i) const { return file_.payload().data() + i * record_bytes_; }
  uint32_t List(uint64_t i) const { return ReadNumber(Record(i)); }

  // The first record of `list` or a later one.
  uint64_t LowerBound(uint64_t list) const {
    uint64_t begin = 0, end = size();
    while (begin < end) {
      const uint64_t middle = begin + (end - begin) / 2;
      if (List(middle) < list) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin;
  }

 private:
  RecordFile file_;
  size_t record_bytes_;
};

// The entries of all lists, read from the files as many lists at a time as fit.
class MergedLists {
 public:
  MergedLists(const VectorIndex& index, std::span<const fs::path> files, size_t memory_bytes)
      : code_bytes_(index.code_bytes()), files_(files), memory_bytes_(memory_bytes), sizes_(index.num_lists()) {
    for (const fs::path& path : files) CountEntries(path);
  }

  std::span<const uint64_t> sizes() const { return sizes_; }

  // REQUIRES: lists are asked for in their order
  ListEntries Read(uint64_t list) {
    if (list >= end_) ReadRange(list);
    const uint64_t at = starts_[list - begin_], count = sizes_[list];
    return {std::span(rows_).subspan(at, count), std::span(codes_).subspan(at * code_bytes_, count * code_bytes_)};
  }

 private:
  void CountEntries(const fs::path& path) {
    ThrowIfInterrupted();
    const CodeFile file(path, code_bytes_);
    for (uint64_t i = 0; i < file.size(); ++i) {
      const uint32_t list = file.List(i);
      if (list >= sizes_.size() || ReadNumber(file.Record(i) + kRowAt) >= file.size() ||
          (i > 0 && list < file.List(i - 1))) {
        Throw(ErrorCode::kCorruption, "{}: codes do not belong to this index; remove them and build again",
              path.string());
      }
      ++sizes_[list];
    }
    first_rows_.push_back(num_rows_);
    num_rows_ += file.size();
  }

  void ReadRange(uint64_t list) {
    begin_ = end_ = list;
    starts_.clear();
    uint64_t entries = 0;
    const uint64_t most = memory_bytes_ / (sizeof(int64_t) + code_bytes_);
    while (end_ < sizes_.size() && (end_ == list || entries + sizes_[end_] <= most)) {
      starts_.push_back(entries);
      entries += sizes_[end_++];
    }
    rows_.resize(entries);
    codes_.resize(entries * code_bytes_);
    std::vector<uint64_t> next = starts_;
    for (size_t i = 0; i < files_.size(); ++i) ReadEntries(i, next);
  }

  // Files come in order and rows within a list as well, so a list's rows ascend.
  void ReadEntries(size_t number, std::vector<uint64_t>& next) {
    ThrowIfInterrupted();
    const CodeFile file(files_[number], code_bytes_);
    for (uint64_t i = file.LowerBound(begin_); i < file.size() && file.List(i) < end_; ++i) {
      const uint64_t at = next[file.List(i) - begin_]++;
      rows_[at] = static_cast<int64_t>(first_rows_[number] + ReadNumber(file.Record(i) + kRowAt));
      std::memcpy(codes_.data() + at * code_bytes_, file.Record(i) + kCodeAt, code_bytes_);
    }
  }

  size_t code_bytes_;
  std::span<const fs::path> files_;
  size_t memory_bytes_;
  std::vector<uint64_t> sizes_;       // of each list
  std::vector<uint64_t> first_rows_;  // of each file
  uint64_t num_rows_ = 0;
  uint64_t begin_ = 0, end_ = 0;  // the lists that are in memory
  std::vector<uint64_t> starts_;  // of each of these in rows_
  std::vector<int64_t> rows_;
  std::vector<uint8_t> codes_;
};

}  // namespace

void WriteCodeFile(const fs::path& path, const VectorCodes& codes, size_t code_bytes) {
  std::vector<uint32_t> order(codes.lists.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return codes.lists[a] < codes.lists[b]; });
  std::vector<std::byte> records(order.size() * (kCodeAt + code_bytes));
  std::byte* out = records.data();
  for (const uint32_t row : order) {
    std::memcpy(out, &codes.lists[row], sizeof(uint32_t));
    std::memcpy(out + kRowAt, &row, sizeof(uint32_t));
    std::memcpy(out + kCodeAt, codes.codes.data() + row * code_bytes, code_bytes);
    out += kCodeAt + code_bytes;
  }
  RecordFileWriter writer(path, CodesFormat(code_bytes));
  writer.Append(std::span<const std::byte>(records));
  writer.Finish();
}

void MergeCodeFiles(VectorIndex& trained, std::span<const fs::path> files, size_t memory_bytes, const fs::path& path) {
  MergedLists lists(trained, files, memory_bytes);
  Progress progress("index", "lists", trained.num_lists());
  trained.SaveFilled(path, lists.sizes(), [&](uint64_t list) {
    progress.Add(1);
    return lists.Read(list);
  });
  progress.Finish();
}

}  // namespace retro
