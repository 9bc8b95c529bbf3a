#include "index-builder/database_updater.h"

#include <algorithm>
#include <system_error>
#include <unordered_set>

#include "core/error.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "datasets/document_line.h"
#include "index-builder/database_writer.h"
#include "index-builder/merge_parts.h"
#include "index-builder/part_index.h"
#include "retriever/chunk_store.h"
#include "retriever/database_files.h"
#include "retriever/document_chunks.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr size_t kManySmallParts = 8;
constexpr uint64_t kMostMergedChunks = 20'000;  // what an index without training holds

UpdateReport Describe(const DatabaseGeneration& generation) {
  UpdateReport report;
  const GenerationTotals all = generation.Totals(), gone = generation.Removed();
  report.generation = generation.number;
  report.documents = all.documents - gone.documents;
  report.chunks = all.chunks - gone.chunks;
  report.tokens = all.tokens - gone.tokens;
  report.parts = generation.parts.size();
  return report;
}

void RequireBuiltWith(const DatabaseWriter& writer, const Tokenizer& tokenizer, const Embedder& embedder) {
  RequireFingerprint(writer.folder(), writer.current().manifest, "tokenizer", tokenizer.fingerprint());
  const Manifest& manifest = writer.current().manifest;
  RequireFingerprint(writer.folder(), manifest, "embedder", embedder.fingerprint());
  const EncoderPrecision recorded = EmbeddedIn(manifest);
  if (embedder.precision() == recorded) return;
  Throw(ErrorCode::kInvalidArgument,
        "{} was embedded in {}, the embedder given computes in {}; give one that computes in {}, or build the database "
        "again",
        writer.folder().string(), EncoderPrecisionName(recorded), EncoderPrecisionName(embedder.precision()),
        EncoderPrecisionName(recorded));
}

// As the database was built, but with an index for as many chunks as there are.
IndexOptions OptionsOf(const DatabaseWriter& writer, const UpdateOptions& options) {
  const Manifest& manifest = writer.current().manifest;
  IndexOptions index = OptionsFromJson(writer.folder(), manifest.options);
  index.memory_bytes = options.memory_bytes;
  index.corpus.reader = options.reader;
  index.corpus.memory_bytes = std::min(index.corpus.memory_bytes, options.memory_bytes / 4);
  const nlohmann::json made_with = manifest.counts.value("made_with", nlohmann::json::object());
  for (const auto& [name, value] : made_with.items()) {
    if (value.is_string()) index.made_with[name] = value.get<std::string>();
  }
  index.on_step = options.on_step;
  return index;
}

// A document of part `part` as the list of removed ones has it.
RemovedDocument AsRemoved(size_t part, DocumentIndex document, const ChunkStore& chunks, DocumentChunks& places) {
  const DocumentChunks::Range range = places.Find(document);
  RemovedDocument found{.part = part, .document = document.value, .first_chunk = range.first};
  found.num_chunks = range.end - range.first;
  if (found.num_chunks == 0) return found;
  found.num_tokens = (found.num_chunks - 1) * chunks.chunk_len() + chunks.Get({range.end - 1}).tokens.size();
  return found;
}

// The documents that `wanted` accepts and that were not removed before.
std::vector<RemovedDocument> FindDocuments(const DatabaseGeneration& generation,
                                           const std::function<bool(const DocumentInfo&)>& wanted) {
  std::vector<RemovedDocument> found;
  for (size_t part = 0; part < generation.parts.size(); ++part) {
    ThrowIfInterrupted();
    const ChunkStore chunks(generation.parts[part].folder / kChunksFolder);
    std::unordered_set<uint64_t> gone;
    for (const RemovedDocument& document : generation.removed) {
      if (document.part == part) gone.insert(document.document);
    }
    DocumentChunks places(chunks);
    chunks.ForEachDocument([&](DocumentIndex document, const DocumentInfo& info) {
      if (gone.contains(document.value) || !wanted(info)) return;
      found.push_back(AsRemoved(part, document, chunks, places));
    });
  }
  return found;
}

std::unordered_set<std::string> IdsOf(const fs::path& part) {
  std::unordered_set<std::string> ids;
  ChunkStore(part / kChunksFolder).ForEachDocument([&](DocumentIndex, const DocumentInfo& info) {
    ids.insert(info.id);
  });
  return ids;
}

void WarnOfReaders(const UpdateReport& report) {
  if (report.parts_still_read == 0) return;
  spdlog::warn("{} older parts are still read by someone; the next change that finds them unused removes them",
               report.parts_still_read);
}

void WriteDocuments(std::span<const Document> documents, const fs::path& path) {
  AtomicFile lines(path);
  for (const Document& document : documents) lines.Append(DocumentLine(document));
  lines.Finish();
}

UpdateReport AddTo(DatabaseWriter& writer, const std::vector<fs::path>& inputs, const Tokenizer& tokenizer,
                   const Embedder& embedder, const UpdateOptions& options, ThreadPool& pool) {
  RequireBuiltWith(writer, tokenizer, embedder);
  writer.CleanUp(/*keep_next=*/true);
  IndexOptions index = OptionsOf(writer, options);
  index.factory.clear();
  const Manifest part = BuildIndex(inputs, tokenizer, embedder, writer.NextPart(), index, pool);
  const std::unordered_set<std::string> ids = IdsOf(writer.NextPart());
  const std::vector<RemovedDocument> replaced =
      FindDocuments(writer.current(), [&](const DocumentInfo& info) { return ids.contains(info.id); });
  std::error_code ignored;  // a corpus beside its chunks is a second copy of them that nothing reads
  fs::remove_all(writer.NextPart() / kCorpusFolder, ignored);
  DatabaseGeneration next = writer.Begin();
  next.removed.insert(next.removed.end(), replaced.begin(), replaced.end());
  writer.AddNextPart(next, part);
  writer.Publish(std::move(next));
  const uint64_t still_read = writer.CleanUp(/*keep_next=*/false);

  UpdateReport report = Describe(writer.current());
  report.changed = true;
  report.added_documents = part.counts.at("documents");
  report.added_chunks = part.counts.at("chunks");
  report.replaced_documents = replaced.size();
  report.parts_still_read = still_read;
  return report;
}

// The parts of a generation that are worth merging are its last ones, from this on; the number of all when there are
// none.
size_t FirstSmallPart(const DatabaseGeneration& generation) {
  std::vector<uint64_t> chunks;  // that are not removed
  for (const GenerationPart& part : generation.parts) chunks.push_back(part.num_chunks);
  for (const RemovedDocument& document : generation.removed) chunks[document.part] -= document.num_chunks;
  size_t first = chunks.size() - 1;
  uint64_t sum = chunks[first];
  while (first > 0 && chunks[first - 1] <= sum && sum + chunks[first - 1] <= kMostMergedChunks) sum += chunks[--first];
  return sum > 0 && chunks.size() - first >= kManySmallParts ? first : chunks.size();
}

// The parts from `first` on as a generation of their own.
DatabaseGeneration LastParts(const DatabaseGeneration& generation, size_t first) {
  DatabaseGeneration last = generation;
  last.parts.erase(last.parts.begin(), last.parts.begin() + static_cast<int64_t>(first));
  std::erase_if(last.removed, [&](const RemovedDocument& document) { return document.part < first; });
  for (RemovedDocument& document : last.removed) document.part -= first;
  return last;
}

// Merges the parts from `first` on.
void MergeFrom(DatabaseWriter& writer, size_t first, const Tokenizer& tokenizer, const Embedder& embedder,
               const IndexOptions& index, ThreadPool& pool) {
  const Manifest merged =
      MergeParts(LastParts(writer.current(), first), tokenizer, embedder, writer.NextPart(), index, pool);
  DatabaseGeneration next = writer.Begin();
  next.parts.erase(next.parts.begin() + static_cast<int64_t>(first), next.parts.end());
  std::erase_if(next.removed, [&](const RemovedDocument& document) { return document.part >= first; });
  if (first == 0) {
    next.manifest.options = merged.options;
    next.manifest.counts["index"] = merged.counts.at("index");
  }
  writer.AddNextPart(next, merged);
  writer.Publish(std::move(next));
}

}  // namespace

nlohmann::json UpdateReport::ToJson() const {
  return {{"changed", changed},
          {"generation", generation},
          {"added_documents", added_documents},
          {"added_chunks", added_chunks},
          {"replaced_documents", replaced_documents},
          {"removed_documents", removed_documents},
          {"documents", documents},
          {"chunks", chunks},
          {"tokens", tokens},
          {"parts", parts},
          {"parts_still_read", parts_still_read}};
}

UpdateReport AddDocuments(const fs::path& folder, const std::vector<fs::path>& inputs, const Tokenizer& tokenizer,
                          const Embedder& embedder, const UpdateOptions& options, ThreadPool& pool) {
  DatabaseWriter writer(folder, options.on_step);
  return AddTo(writer, inputs, tokenizer, embedder, options, pool);
}

UpdateReport AddDocuments(const fs::path& folder, std::span<const Document> documents, const Tokenizer& tokenizer,
                          const Embedder& embedder, const UpdateOptions& options, ThreadPool& pool) {
  DatabaseWriter writer(folder, options.on_step);
  WriteDocuments(documents, writer.IncomingFile());
  return AddTo(writer, {writer.IncomingFile()}, tokenizer, embedder, options, pool);
}

UpdateReport RemoveDocuments(const fs::path& folder, const DocumentSelection& selection, const UpdateOptions& options) {
  DatabaseWriter writer(folder, options.on_step);
  writer.CleanUp(/*keep_next=*/false);
  const std::unordered_set<std::string> ids(selection.ids.begin(), selection.ids.end());
  const std::unordered_set<std::string> sources(selection.sources.begin(), selection.sources.end());
  std::unordered_set<std::string> found;
  const std::vector<RemovedDocument> removed = FindDocuments(writer.current(), [&](const DocumentInfo& info) {
    const bool by_id = ids.contains(info.id);
    if (by_id) found.insert(info.id);
    return by_id || sources.contains(info.source);
  });
  if (removed.empty()) {
    Throw(ErrorCode::kNotFound, "{}: has no document of these ids and sources, or they were removed before",
          folder.string());
  }
  if (found.size() < ids.size()) {
    spdlog::warn("{} of {} ids are not in {}, or were removed before", ids.size() - found.size(), ids.size(),
                 folder.string());
  }
  DatabaseGeneration next = writer.Begin();
  next.removed.insert(next.removed.end(), removed.begin(), removed.end());
  writer.Publish(std::move(next));
  const uint64_t still_read = writer.CleanUp(/*keep_next=*/false);

  UpdateReport report = Describe(writer.current());
  report.changed = true;
  report.removed_documents = removed.size();
  report.parts_still_read = still_read;
  return report;
}

UpdateReport CompactDatabase(const fs::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                             const UpdateOptions& options, ThreadPool& pool) {
  DatabaseWriter writer(folder, options.on_step);
  RequireBuiltWith(writer, tokenizer, embedder);
  uint64_t still_read = writer.CleanUp(/*keep_next=*/false);
  const bool is_compact = writer.current().parts.size() == 1 && writer.current().removed.empty();
  UpdateReport before = Describe(writer.current());
  if (!is_compact && before.chunks == 0) {
    Throw(ErrorCode::kInvalidArgument,
          "{}: every document was removed, so there is nothing to make a database of; add documents first, or remove "
          "the folder",
          folder.string());
  }
  if (!is_compact) {
    MergeFrom(writer, 0, tokenizer, embedder, OptionsOf(writer, options), pool);
    still_read = writer.CleanUp(/*keep_next=*/false);
  }
  UpdateReport report = Describe(writer.current());
  report.changed = !is_compact;
  report.parts_still_read = still_read;
  WarnOfReaders(report);
  return report;
}

UpdateReport MergeSmallParts(const fs::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                             const UpdateOptions& options, ThreadPool& pool) {
  DatabaseWriter writer(folder, options.on_step);
  RequireBuiltWith(writer, tokenizer, embedder);
  const size_t first = FirstSmallPart(writer.current());
  UpdateReport report = Describe(writer.current());
  if (first == writer.current().parts.size()) return report;
  writer.CleanUp(/*keep_next=*/false);
  IndexOptions index = OptionsOf(writer, options);
  if (first > 0) index.factory.clear();
  MergeFrom(writer, first, tokenizer, embedder, index, pool);
  const uint64_t still_read = writer.CleanUp(/*keep_next=*/false);
  report = Describe(writer.current());
  report.changed = true;
  report.parts_still_read = still_read;
  return report;
}

}  // namespace retro
