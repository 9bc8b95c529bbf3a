#include "index-builder/verify_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/manifest.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "index-builder/embedding_stage.h"
#include "index-builder/sample.h"
#include "retriever/chunk_store.h"
#include "retriever/generation.h"
#include "retriever/lexical_index.h"
#include "retriever/reranked_search.h"
#include "retriever/stored_embeddings.h"
#include "retriever/vector_index.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

constexpr int kFoundAmong = 10;
// Squared distance between a stored row and the same text embedded now: rounding to half precision and another order
// of sums stay far below it, another text far above.
constexpr float kSameEmbedding = 1e-4f;
// The same where rows are kept in 8 bits.
constexpr float kSameInt8Embedding = 1e-3f;
// The same where the encoder computed in 8 bits: on another instruction set some values round to the other side, and
// the squared distances of 1,500 texts were up to 7e-4; another text is ten times as far as this.
constexpr float kSameInt8Encoding = 1e-2f;
// Of a sample searched in the index: an approximate one misses some.
constexpr double kFoundShare = 0.8;

bool HasFilesBelow(const Manifest& manifest, const std::string& name) {
  return std::any_of(manifest.files.items().begin(), manifest.files.items().end(),
                     [&](const auto& file) { return file.key().starts_with(name + "/"); });
}

// Runs checks one after the other, each with a sentence on what it found.
class Audit {
 public:
  // Returns whether it passed. `check` returns the detail, or throws Error with what is wrong.
  bool Run(const std::string& name, const std::function<std::string()>& check) {
    try {
      checks_.push_back({{"name", name}, {"ok", true}, {"detail", check()}});
      return true;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kUnavailable) throw;
      checks_.push_back({{"name", name}, {"ok", false}, {"detail", error.what()}});
      ok_ = false;
      return false;
    }
  }

  nlohmann::json ToJson() const { return {{"ok", ok_}, {"checks", checks_}}; }

 private:
  bool ok_ = true;
  nlohmann::json checks_ = nlohmann::json::array();
};

class DatabaseAudit {
 public:
  DatabaseAudit(const fs::path& folder, const Manifest& manifest, const Tokenizer& tokenizer, const Embedder& embedder,
                const VerifyOptions& options, ThreadPool& pool)
      : folder_(folder),
        manifest_(manifest),
        tokenizer_(tokenizer),
        embedder_(embedder),
        options_(options),
        pool_(pool),
        chunks_(folder / "chunks"),
        index_(VectorIndex::Load(folder / "vectors.index")) {
    for (const auto precision : {EmbeddingPrecision::kHalf, EmbeddingPrecision::kInt8}) {
      const char* name = EmbeddingsFolderName(precision);
      if (!HasFilesBelow(manifest, name)) continue;
      embeddings_ = OpenEmbeddings(folder / name, index_.dim(), precision);
      if (precision == EmbeddingPrecision::kInt8) same_embedding_ = kSameInt8Embedding;
    }
    if (embedder.precision() == EncoderPrecision::kInt8) same_embedding_ = kSameInt8Encoding;
  }

  std::string CheckCounts() const {
    const uint64_t chunks = chunks_.num_chunks();
    ExpectEqual("vectors in vectors.index", index_.size(), chunks);
    if (embeddings_ != nullptr) ExpectEqual("rows of embeddings", embeddings_->size(), chunks);
    if (HasFilesBelow(manifest_, "lexical")) {
      ExpectEqual("chunks in lexical/", LexicalIndex(folder_ / "lexical").num_chunks(), chunks);
    }
    ExpectEqual("chunks in the manifest", manifest_.counts.value("chunks", uint64_t{0}), chunks);
    ExpectEqual("documents in the manifest", manifest_.counts.value("documents", uint64_t{0}), chunks_.num_documents());
    return fmt::format("{} chunks of {} documents, {} vectors", chunks, chunks_.num_documents(), index_.size());
  }

  // The removed documents have the chunks that the generation says, so that no other chunk is hidden and none is left.
  std::string CheckRemoved(std::span<const RemovedDocument> removed, size_t part) const {
    uint64_t documents = 0;
    for (const RemovedDocument& document : removed) {
      if (document.part != part) continue;
      ++documents;
      const uint64_t end = document.first_chunk + document.num_chunks;
      if (document.num_chunks == 0) continue;
      ExpectDocument(document.first_chunk, document.document, true);
      ExpectDocument(end - 1, document.document, true);
      if (document.first_chunk > 0) ExpectDocument(document.first_chunk - 1, document.document, false);
      if (end < chunks_.num_chunks()) ExpectDocument(end, document.document, false);
    }
    return fmt::format("{} documents", documents);
  }

  // Every chunk continues its document or begins a later one, and only the last of a document is short.
  std::string CheckChunks() const {
    Progress progress("verify", "chunks", chunks_.num_chunks());
    std::vector<ChunkRecord> records;
    std::optional<ChunkRecord> previous;
    uint64_t tokens = 0;
    for (uint64_t first = 0; first < chunks_.num_chunks(); first += kChunksAtOnce) {
      ThrowIfInterrupted();
      chunks_.ReadRange({first}, std::min(kChunksAtOnce, chunks_.num_chunks() - first), records);
      for (ChunkRecord& record : records) {
        CheckChunk(record, previous);
        tokens += record.tokens.size();
        previous = std::move(record);
      }
      progress.Add(records.size());
    }
    progress.Finish();
    if (tokens != manifest_.counts.value("tokens", uint64_t{0})) {
      Fail("the chunks hold {} tokens, the manifest says {}", tokens, manifest_.counts.value("tokens", uint64_t{0}));
    }
    return fmt::format("{} tokens", tokens);
  }

  std::string CheckSample() const {
    if (manifest_.fingerprints.value("tokenizer", "") != tokenizer_.fingerprint()) {
      Fail("it was built with another tokenizer than the one given");
    }
    if (manifest_.fingerprints.value("embedder", "") != embedder_.fingerprint()) {
      Fail("it was built with another embedder than the one given");
    }
    if (const EncoderPrecision recorded = EmbeddedIn(manifest_); recorded != embedder_.precision()) {
      Fail("it was embedded in {}, the embedder given computes in {}", EncoderPrecisionName(recorded),
           EncoderPrecisionName(embedder_.precision()));
    }
    const auto sample = SampleWithoutReplacement(chunks_.num_chunks(), options_.sample_chunks, options_.seed);
    std::vector<ChunkRecord> records;
    for (const uint64_t id : sample) records.push_back(chunks_.Get({id}));
    const bool titles = manifest_.options.value("embed_title", false);
    const std::vector<float> rows = EmbedChunks(chunks_, records, tokenizer_, embedder_, titles, pool_);
    if (embeddings_ != nullptr) CheckRows(sample, rows);
    return CheckFound(sample, rows);
  }

 private:
  template <typename... Args>
  [[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) const {
    Throw(ErrorCode::kCorruption, "{}: {}; build the database again", folder_.string(),
          fmt::format(format, std::forward<Args>(args)...));
  }

  void ExpectEqual(const char* what, uint64_t count, uint64_t expected) const {
    if (count != expected) Fail("{}: {}, the chunk store has {}", what, count, expected);
  }

  void ExpectDocument(uint64_t chunk, uint64_t document, bool expected) const {
    if ((chunks_.Get({chunk}).document.value == document) == expected) return;
    Fail("chunk {} is {}of the removed document {}", chunk, expected ? "not " : "", document);
  }

  void CheckChunk(const ChunkRecord& record, const std::optional<ChunkRecord>& previous) const {
    const uint32_t chunk_len = chunks_.chunk_len();
    if (record.tokens.empty() || record.tokens.size() > chunk_len) {
      Fail("chunk {} has {} tokens, chunk_len is {}", record.id.value, record.tokens.size(), chunk_len);
    }
    if (record.document.value >= chunks_.num_documents()) {
      Fail("chunk {} is of document {} of {}", record.id.value, record.document.value, chunks_.num_documents());
    }
    const bool continues = previous.has_value() && previous->document == record.document;
    const uint64_t position = continues ? previous->position + chunk_len : 0;
    if (record.position != position || (continues && previous->tokens.size() != chunk_len)) {
      Fail("chunk {} begins at token {} of its document, not {}", record.id.value, record.position, position);
    }
    if (previous.has_value() && previous->document > record.document) Fail("chunk {} goes back", record.id.value);
  }

  void CheckRows(std::span<const uint64_t> sample, std::span<const float> rows) const {
    const auto dim = static_cast<size_t>(index_.dim());
    for (size_t i = 0; i < sample.size(); ++i) {
      const ChunkId chunk{sample[i]};
      float distance = 0;
      embeddings_->Distances(rows.subspan(i * dim, dim), {&chunk, 1}, {&distance, 1});
      if (!(distance <= same_embedding_)) {
        Fail("the stored embedding of chunk {} is {} away from that of its text", chunk.value, distance);
      }
    }
  }

  std::string CheckFound(std::span<const uint64_t> sample, std::span<const float> rows) const {
    const nlohmann::json& index = manifest_.counts.at("index");
    const SearchOptions search{
        .k = kFoundAmong, .nprobe = index.value("nprobe", 0), .rerank_factor = index.value("rerank_factor", 0)};
    const auto found = SearchReranked(index_, embeddings_.get(), rows, search, pool_);
    size_t hits = 0;
    for (size_t i = 0; i < sample.size(); ++i) {
      hits += std::any_of(found[i].begin(), found[i].end(), [&](const Neighbour& neighbour) {
        return neighbour.chunk.value == sample[i] || neighbour.distance <= same_embedding_;  // or an equal text
      });
    }
    if (static_cast<double>(hits) < kFoundShare * static_cast<double>(sample.size())) {
      Fail("of {} chunks embedded again, the index finds only {}", sample.size(), hits);
    }
    return fmt::format("{} of {} chunks embedded again found among their {} nearest", hits, sample.size(), kFoundAmong);
  }

  fs::path folder_;
  const Manifest& manifest_;
  const Tokenizer& tokenizer_;
  const Embedder& embedder_;
  const VerifyOptions& options_;
  ThreadPool& pool_;
  ChunkStore chunks_;
  VectorIndex index_;
  std::unique_ptr<const StoredEmbeddings> embeddings_;
  float same_embedding_ = kSameEmbedding;
};

std::string CheckFiles(const fs::path& folder, const Manifest& manifest) {
  manifest.VerifyFiles(folder, Manifest::Check::kChecksums);
  return fmt::format("{} files have their checksums", manifest.files.size());
}

uint64_t BytesOf(const Manifest& manifest, const std::string& prefix) {
  uint64_t bytes = 0;
  for (const auto& [name, entry] : manifest.files.items()) {
    if (name.starts_with(prefix)) bytes += entry.value("bytes", uint64_t{0});
  }
  return bytes;
}

// What all checks are given.
struct Auditing {
  const Tokenizer& tokenizer;
  const Embedder& embedder;
  const VerifyOptions& options;
  ThreadPool& pool;
};

std::string CheckPartManifest(const GenerationPart& part, Manifest& manifest) {
  manifest = Manifest::Load(part.folder, kDatabaseKind);
  if (HashFile(part.folder / "manifest.json") != part.manifest_xxh3) {
    Throw(ErrorCode::kCorruption, "{}: its manifest is not the one that the database was made with",
          part.folder.string());
  }
  return "complete";
}

void AuditPart(const DatabaseGeneration& generation, size_t index, const Auditing& with, Audit& audit) {
  const GenerationPart& part = generation.parts[index];
  const std::string prefix = part.name.empty() ? "" : part.name + ": ";
  Manifest manifest = generation.manifest;
  if (!part.name.empty() && !audit.Run(prefix + "manifest", [&] { return CheckPartManifest(part, manifest); })) return;
  if (!audit.Run(prefix + "files", [&] { return CheckFiles(part.folder, manifest); })) return;
  std::optional<DatabaseAudit> database;
  const bool opened = audit.Run(prefix + "open", [&] {
    database.emplace(part.folder, manifest, with.tokenizer, with.embedder, with.options, with.pool);
    return std::string("chunk store, index and embeddings open");
  });
  if (opened && audit.Run(prefix + "counts", [&] { return database->CheckCounts(); })) {
    audit.Run(prefix + "chunks", [&] { return database->CheckChunks(); });
    audit.Run(prefix + "sample", [&] { return database->CheckSample(); });
    const bool has_removed =
        std::ranges::any_of(generation.removed, [&](const auto& gone) { return gone.part == index; });
    if (has_removed) audit.Run(prefix + "removed", [&] { return database->CheckRemoved(generation.removed, index); });
  }
  if (const fs::path corpus = part.folder / "corpus"; Manifest::Exists(corpus)) {
    audit.Run(prefix + "corpus", [&] { return CheckFiles(corpus, Manifest::Load(corpus, "corpus")); });
  }
}

std::string Summary(const DatabaseGeneration& generation) {
  if (generation.number == 0) return "complete";
  return fmt::format("generation {}: {} parts, {} documents removed", generation.number, generation.parts.size(),
                     generation.removed.size());
}

}  // namespace

nlohmann::json VerifyIndex(const fs::path& folder, const Tokenizer& tokenizer, const Embedder& embedder,
                           const VerifyOptions& options, ThreadPool& pool) {
  if (!Manifest::Exists(folder)) {
    Throw(ErrorCode::kNotFound, "{}: no manifest.json, so it is not a retrieval database; name the folder of one",
          folder.string());
  }
  Audit audit;
  DatabaseGeneration generation;
  const bool loaded = audit.Run("manifest", [&] {
    generation = DatabaseGeneration::Load(folder);
    return Summary(generation);
  });
  for (size_t part = 0; loaded && part < generation.parts.size(); ++part) {
    AuditPart(generation, part, {tokenizer, embedder, options, pool}, audit);
  }
  return audit.ToJson();
}

nlohmann::json IndexStats(const fs::path& folder) {
  const DatabaseGeneration generation = DatabaseGeneration::Load(folder);
  const Manifest& manifest = generation.manifest;
  std::map<std::string, uint64_t> bytes;
  nlohmann::json parts = nlohmann::json::array();
  for (const GenerationPart& part : generation.parts) {
    const Manifest own = part.name.empty() ? manifest : Manifest::Load(part.folder, kDatabaseKind);
    bytes["chunks"] += BytesOf(own, "chunks/");
    bytes["embeddings"] += BytesOf(own, "embeddings/") + BytesOf(own, "embeddings8/");
    bytes["vectors.index"] += BytesOf(own, "vectors.index");
    bytes["lexical"] += BytesOf(own, "lexical/");
    bytes["total"] += BytesOf(own, "");
    const nlohmann::json index = own.counts.value("index", nlohmann::json::object());
    parts.push_back({{"name", part.name},
                     {"documents", part.num_documents},
                     {"chunks", part.num_chunks},
                     {"tokens", part.num_tokens},
                     {"factory", index.value("factory", "")},
                     {"recall_at_10", index.value("recall_at_10", nlohmann::json())},
                     {"search", part.search ? part.search->ToJson() : nlohmann::json()}});
  }
  const nlohmann::json none = nullptr;
  const auto tokens = manifest.counts.value("tokens", uint64_t{0});
  const GenerationTotals removed = generation.Removed();
  return {{"documents", manifest.counts.value("documents", none)},
          {"chunks", manifest.counts.value("chunks", none)},
          {"tokens", manifest.counts.value("tokens", none)},
          {"bytes", bytes},
          {"bytes_per_token",
           tokens == 0 ? none : nlohmann::json(static_cast<double>(bytes["total"]) / static_cast<double>(tokens))},
          {"generation", generation.number},
          {"parts", parts},
          {"removed", {{"documents", removed.documents}, {"chunks", removed.chunks}, {"tokens", removed.tokens}}},
          {"index", manifest.counts.value("index", none)},
          {"options", manifest.options},
          {"fingerprints", manifest.fingerprints},
          {"seconds", manifest.counts.value("seconds", none)}};
}

}  // namespace retro
