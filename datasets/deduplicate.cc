#include "datasets/deduplicate.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "datasets/document_batches.h"
#include "datasets/document_line.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr size_t kBatchesInMemory = 4;  // two, with room for the copies of one's words
constexpr uint64_t kMegabyte = uint64_t{1} << 20;

// Calls `use` with each batch of documents.
template <typename Use>
ReaderReport ReadAll(const std::vector<fs::path>& inputs, const ReaderOptions& options, size_t memory_bytes,
                     const std::string& label, const Use& use) {
  const auto reader = OpenDocuments(inputs, options);
  DocumentBatches batches(*reader, memory_bytes / kBatchesInMemory);
  Progress progress(label, "MB", 0);
  uint64_t shown = 0;
  for (std::vector<Document> batch = batches.Next(); !batch.empty(); batch = batches.Next()) {
    use(batch);
    progress.Add(batches.bytes_read() / kMegabyte - shown);
    shown = batches.bytes_read() / kMegabyte;
  }
  progress.Finish();
  return reader->report();
}

std::string JsonLine(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// Documents in their order: the kept ones to one file, a line about each other one to the report.
class KeptWriter {
 public:
  KeptWriter(const DuplicateScan& scan, const fs::path& out, const fs::path& report) : scan_(scan), out_(out) {
    if (!report.empty()) report_.emplace(report);
    for (uint64_t i = 0; i < scan.first.size(); ++i) {
      if (!scan.IsKept(i)) ids_[scan.first[i]];
    }
  }

  // Nothing once more documents come than were scanned: the files have changed, and RequireSame() will say so.
  void Append(const Document& document) {
    if (next_ == scan_.first.size()) return;
    const uint64_t number = next_++, first = scan_.first[number];
    if (first == number) {
      out_.Append(DocumentLine(document));
      ++kept_;
      if (const auto id = ids_.find(number); id != ids_.end()) id->second = document.id;
    } else if (report_) {
      report_->Append(JsonLine(nlohmann::ordered_json{{"dropped", document.id},
                                                      {"kept", ids_[first]},
                                                      {"similarity", scan_.documents->Similarity(first, number)}}));
    }
  }

  void Finish() {
    if (report_) report_->Finish();
    out_.Finish();
  }

  uint64_t num_kept() const { return kept_; }
  uint64_t num_clusters() const { return ids_.size(); }

 private:
  const DuplicateScan& scan_;
  AtomicFile out_;
  std::optional<AtomicFile> report_;
  std::map<uint64_t, std::string> ids_;  // of the first documents of clusters
  uint64_t next_ = 0, kept_ = 0;
};

}  // namespace

void DuplicateScan::RequireSame(const ReaderReport& again) const {
  const auto same = [](const ReaderReport::File& a, const ReaderReport::File& b) {
    return a.path == b.path && a.xxh3 == b.xxh3;
  };
  const auto [was, is] =
      std::mismatch(read.files.begin(), read.files.end(), again.files.begin(), again.files.end(), same);
  if (was == read.files.end() && is == again.files.end()) return;
  Throw(ErrorCode::kUnavailable, "{}: was changed while it was read twice to find duplicates; run it again",
        was == read.files.end() ? is->path : was->path);
}

DuplicateScan ScanForDuplicates(const std::vector<fs::path>& inputs, const NearDuplicateOptions& options,
                                const ReaderOptions& reader, size_t memory_bytes, ThreadPool& pool) {
  if (std::find(inputs.begin(), inputs.end(), "-") != inputs.end()) {
    Throw(ErrorCode::kInvalidArgument,
          "-: standard input can be read only once, and finding duplicates reads twice; write it to a file first");
  }
  DuplicateScan scan;
  scan.documents = std::make_unique<NearDuplicates>(options);
  scan.read = ReadAll(inputs, reader, memory_bytes, "near duplicates", [&](const std::vector<Document>& batch) {
    std::vector<std::string_view> texts;
    for (const Document& document : batch) texts.push_back(document.text);
    scan.documents->Add(texts, pool);
  });
  scan.first = scan.documents->Clusters(pool);
  return scan;
}

DeduplicateReport DeduplicateDocuments(const std::vector<fs::path>& inputs, const fs::path& out,
                                       const DeduplicateOptions& options, ThreadPool& pool) {
  const DuplicateScan scan = ScanForDuplicates(inputs, options.near, options.reader, options.memory_bytes, pool);
  KeptWriter writer(scan, out, options.report);
  const ReaderReport again =
      ReadAll(inputs, options.reader, options.memory_bytes, "write", [&](const std::vector<Document>& batch) {
        for (const Document& document : batch) writer.Append(document);
      });
  scan.RequireSame(again);
  writer.Finish();
  return {scan.first.size(), writer.num_kept(), writer.num_clusters(), scan.read};
}

}  // namespace retro
