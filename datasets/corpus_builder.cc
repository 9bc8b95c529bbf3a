// BuildCorpus: one thread reads ahead while the pool encodes, and the shards are written in the order of the documents.
#include <algorithm>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/staged_folder.h"
#include "core/thread_pool.h"
#include "datasets/corpus.h"
#include "datasets/corpus_shard.h"
#include "datasets/deduplicate.h"
#include "datasets/document_batches.h"
#include "datasets/document_ids.h"
#include "datasets/document_reader.h"
#include "datasets/split.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// Of memory_bytes, the texts of one batch: two batches are held, and the tokens of one, at worst 4 bytes a byte of
// text.
constexpr size_t kBatchesInMemory = 8;
constexpr uint64_t kMegabyte = uint64_t{1} << 20;

// The shards of one part, one after the other.
class PartWriter {
 public:
  PartWriter(fs::path folder, uint64_t vocab_size, uint64_t max_shard_tokens)
      : folder_(std::move(folder)), vocab_size_(vocab_size), max_shard_tokens_(max_shard_tokens) {}

  void Append(const DocumentInfo& info, std::span<const TokenId> tokens) {
    if (shard_.has_value() && shard_->num_tokens() + tokens.size() > max_shard_tokens_) Finish();
    if (!shard_.has_value()) {
      MakeDirectories(folder_);
      shard_.emplace(folder_, num_shards_++, vocab_size_);
    }
    shard_->Append(info, tokens);
    ++num_documents_;
    num_tokens_ += tokens.size();
  }

  void Finish() {
    if (shard_.has_value()) shard_->Finish();
    shard_.reset();
  }

  uint64_t num_documents() const { return num_documents_; }
  uint64_t num_tokens() const { return num_tokens_; }
  nlohmann::json Counts() const {
    return {{"shards", num_shards_}, {"documents", num_documents_}, {"tokens", num_tokens_}};
  }

 private:
  fs::path folder_;
  uint64_t vocab_size_, max_shard_tokens_;
  std::optional<ShardWriter> shard_;
  uint64_t num_shards_ = 0, num_documents_ = 0, num_tokens_ = 0;
};

class CorpusBuilder {
 public:
  CorpusBuilder(const std::vector<fs::path>& files, const Tokenizer& tokenizer, const fs::path& folder,
                const CorpusOptions& options, ThreadPool& pool)
      : tokenizer_(tokenizer),
        folder_(folder),
        options_(options),
        pool_(pool),
        duplicates_(FindDuplicates(files, options, pool)),
        is_represented_(duplicates_ ? duplicates_->first.size() : 0),
        reader_(OpenDocuments(files, options.reader)),
        split_(options.valid_fraction, options.test_fraction, options.seed),
        log_(options.reader.on_bad_input, report_),
        progress_("corpus", "MB", TotalMegabytes(files)) {
    for (const Part part : kParts) {
      writers_.emplace_back(folder / PartName(part), tokenizer.vocab_size(), options.max_shard_tokens);
    }
  }

  void Run() {
    DocumentBatches batches(*reader_, options_.memory_bytes / kBatchesInMemory);
    for (std::vector<Document> batch = batches.Next(); !batch.empty(); batch = batches.Next()) {
      Encode(batch);
      Write(batch);
      ShowProgress(batches.bytes_read());
    }
    if (duplicates_) duplicates_->RequireSame(reader_->report());
    for (PartWriter& writer : writers_) writer.Finish();
    progress_.Finish();
  }

  // What was read, dropped and written, into `manifest`. Call after Run().
  void Describe(Manifest& manifest) const {
    const ReaderReport& read = reader_->report();
    manifest.inputs = nlohmann::json::object();
    for (const ReaderReport::File& file : read.files) {
      manifest.inputs[file.path] = {{"bytes", file.bytes}, {"xxh3", file.xxh3}};
    }
    uint64_t documents = 0, tokens = 0;
    nlohmann::json parts = nlohmann::json::object();
    for (const Part part : kParts) {
      const PartWriter& writer = writers_[static_cast<size_t>(part)];
      parts[PartName(part)] = writer.Counts();
      documents += writer.num_documents();
      tokens += writer.num_tokens();
      if (writer.num_documents() > 0) manifest.AddFile(folder_, std::string(PartName(part)));
    }
    nlohmann::json problems = nlohmann::json::object();
    for (const auto& [kind, entry] : Problems().problems) {
      problems[kind] = {{"count", entry.count}, {"first_place", entry.first_place}, {"detail", entry.first_detail}};
    }
    manifest.counts = {{"documents", documents},
                       {"tokens", tokens},
                       {"text_bytes", text_bytes_},
                       {"parts", parts},
                       {"problems", problems}};
  }

  // Those of reading and those of building.
  ReaderReport Problems() const {
    ReaderReport all = reader_->report();
    all.problems.insert(report_.problems.begin(), report_.problems.end());
    return all;
  }

 private:
  static std::optional<DuplicateScan> FindDuplicates(const std::vector<fs::path>& files, const CorpusOptions& options,
                                                     ThreadPool& pool) {
    if (!options.near_duplicates) return std::nullopt;
    return ScanForDuplicates(files, *options.near_duplicates, options.reader, options.memory_bytes, pool);
  }

  static uint64_t TotalMegabytes(const std::vector<fs::path>& files) {
    uint64_t bytes = 0;
    for (const fs::path& file : files) {
      std::error_code error;
      const uintmax_t size = fs::file_size(file, error);
      if (error) return 0;
      bytes += size;
    }
    return bytes / kMegabyte;
  }

  void ShowProgress(uint64_t bytes_read) {
    const uint64_t megabytes = bytes_read / kMegabyte;
    progress_.Add(megabytes - shown_megabytes_);
    shown_megabytes_ = megabytes;
  }

  // tokens_[i] become those of batch[i].
  void Encode(const std::vector<Document>& batch) {
    tokens_.resize(batch.size());
    pool_.ParallelFor(batch.size(), [&](size_t i) {
      tokens_[i].clear();
      tokenizer_.Encode(batch[i].text, {}, tokens_[i]);
      if (options_.append_eos && !tokens_[i].empty()) tokens_[i].push_back(*tokenizer_.special().eos);
    });
  }

  void Write(std::vector<Document>& batch) {
    for (size_t i = 0; i < batch.size(); ++i) {
      Document& document = batch[i];
      const uint64_t number = num_read_++;
      if (RepeatsAnother(number)) {
        log_.Count("near duplicate", fmt::format("document \"{}\"", document.id), "an earlier document is kept");
      } else if (!ids_.Insert(document.id)) {
        RejectDuplicate(document.id);
      } else if (tokens_[i].empty()) {
        log_.Add("no tokens", fmt::format("document \"{}\"", document.id), "the tokenizer made none of its text");
      } else {
        text_bytes_ += document.text.size();
        if (number < is_represented_.size()) is_represented_[duplicates_->first[number]] = true;
        writers_[static_cast<size_t>(split_.PartOf(document.id))].Append(InfoOf(document), tokens_[i]);
      }
      std::vector<TokenId>().swap(tokens_[i]);
    }
  }

  // Whether a document of its cluster was written. The cluster's first one may have been left out for its id.
  bool RepeatsAnother(uint64_t number) const {
    return number < is_represented_.size() && is_represented_[duplicates_->first[number]];
  }

  void RejectDuplicate(const std::string& id) {
    if (options_.on_duplicate_id == CorpusOptions::Duplicates::kStop) {
      Throw(ErrorCode::kInvalidArgument,
            "document id \"{}\" occurs twice; make the ids unique, or let duplicates be skipped", id);
    }
    log_.Count("duplicate id", fmt::format("document \"{}\"", id), "the first one is kept");
  }

  const Tokenizer& tokenizer_;
  fs::path folder_;
  const CorpusOptions& options_;
  ThreadPool& pool_;
  std::optional<DuplicateScan> duplicates_;
  std::vector<bool> is_represented_;  // by the first of a cluster; empty without duplicates_
  std::unique_ptr<DocumentReader> reader_;
  uint64_t num_read_ = 0;
  Split split_;
  ReaderReport report_;
  ProblemLog log_;
  Progress progress_;
  uint64_t shown_megabytes_ = 0;
  DocumentIds ids_;
  std::vector<PartWriter> writers_;  // by Part
  std::vector<std::vector<TokenId>> tokens_;
  uint64_t text_bytes_ = 0;
};

// All that the bytes of a corpus depend on, besides the contents of its files.
nlohmann::json OptionsJson(const std::vector<fs::path>& files, const CorpusOptions& options) {
  nlohmann::json names = nlohmann::json::array();
  for (const fs::path& file : files) names.push_back(file.string());
  const bool stop_on_bad = options.reader.on_bad_input == BadInput::kStop;
  const bool stop_on_duplicate = options.on_duplicate_id == CorpusOptions::Duplicates::kStop;
  nlohmann::json json = {{"files", names},
                         {"valid_fraction", options.valid_fraction},
                         {"test_fraction", options.test_fraction},
                         {"seed", options.seed},
                         {"max_shard_tokens", options.max_shard_tokens},
                         {"append_eos", options.append_eos},
                         {"on_duplicate_id", stop_on_duplicate ? "stop" : "skip"},
                         {"on_bad_input", stop_on_bad ? "stop" : "skip"},
                         {"max_line_bytes", options.reader.max_line_bytes},
                         {"max_unpack_ratio", options.reader.max_unpack_ratio}};
  // Only where asked for: a corpus made before there was the option is the one that is wanted without it.
  if (const auto& near = options.near_duplicates) {
    json["near_duplicates"] = {{"threshold", near->threshold},
                               {"permutations", near->num_permutations},
                               {"ngram", near->ngram},
                               {"seed", near->seed},
                               {"exact", near->exact}};
  }
  return json;
}

bool SameContents(const nlohmann::json& inputs, const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::error_code error;
    const auto entry = inputs.find(file.string());
    if (file == "-" || entry == inputs.end()) return false;
    if (entry->value("bytes", uint64_t{0}) != fs::file_size(file, error) || error) return false;
  }
  // Reading the files is worth it only when every size is right.
  return std::all_of(files.begin(), files.end(),
                     [&](const fs::path& file) { return inputs[file.string()].value("xxh3", "") == HashFile(file); });
}

// Of the corpus that would be built, as far as it is known before the inputs are read.
Manifest WantedManifest(const std::vector<fs::path>& files, const Tokenizer& tokenizer, const CorpusOptions& options) {
  Manifest manifest;
  manifest.kind = "corpus";
  manifest.options = OptionsJson(files, options);
  manifest.fingerprints = {{"tokenizer", tokenizer.fingerprint()}, {"vocab_size", tokenizer.vocab_size()}};
  return manifest;
}

void CheckOptions(const Tokenizer& tokenizer, const CorpusOptions& options) {
  if (options.max_shard_tokens == 0) Throw(ErrorCode::kInvalidArgument, "max_shard_tokens 0: must be at least 1");
  if (options.append_eos && !tokenizer.special().eos.has_value()) {
    Throw(ErrorCode::kInvalidArgument, "the tokenizer has no end-of-text token to append; build without append_eos");
  }
}

std::string JoinNames(const std::vector<fs::path>& paths) {
  std::string names;
  for (const fs::path& path : paths) names += (names.empty() ? "" : ", ") + path.string();
  return names;
}

}  // namespace

std::optional<Manifest> FindCorpus(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer, const fs::path& out,
                                   const CorpusOptions& options) {
  const std::vector<fs::path> files = ListDocumentFiles(inputs);
  if (!Manifest::Exists(out)) return std::nullopt;
  const Manifest wanted = WantedManifest(files, tokenizer, options);
  Manifest found = Manifest::Load(out, wanted.kind);
  if (found.options != wanted.options || found.fingerprints != wanted.fingerprints) return std::nullopt;
  if (!SameContents(found.inputs, files)) return std::nullopt;
  if (!found.HasFiles(out)) return std::nullopt;
  return found;
}

Manifest BuildCorpus(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer, const fs::path& out,
                     const CorpusOptions& options, ThreadPool& pool) {
  CheckOptions(tokenizer, options);
  if (auto same = FindCorpus(inputs, tokenizer, out, options)) {
    spdlog::info("{}: holds this corpus already ({} documents); nothing to do", out.string(),
                 same->counts.value("documents", uint64_t{0}));
    return *same;
  }
  const std::vector<fs::path> files = ListDocumentFiles(inputs);
  Manifest manifest = WantedManifest(files, tokenizer, options);
  StagedFolder staged(out, StagedFolder::Unpublished::kRemove);
  staged.Clear();
  CorpusBuilder builder(files, tokenizer, staged.path(), options, pool);
  builder.Run();
  builder.Describe(manifest);
  const std::string problems = builder.Problems().Summary();
  if (!problems.empty()) spdlog::warn("{}: {}", out.string(), problems);
  if (manifest.counts["documents"] == 0) {
    Throw(ErrorCode::kInvalidArgument, "no document with text in {}{}{}; give a file with at least one",
          JoinNames(inputs), problems.empty() ? "" : ": ", problems);
  }
  manifest.stages = {"corpus"};
  manifest.Save(staged.path());
  staged.Publish();
  return manifest;
}

}  // namespace retro
