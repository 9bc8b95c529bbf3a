#include "retriever/database_part.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "core/error.h"
#include "core/hash.h"
#include "core/thread_pool.h"
#include "retriever/database_files.h"
#include "retriever/document_chunks.h"
#include "retriever/reranked_search.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

// By how much more is looked at in each round of a search that did not find enough.
constexpr int64_t kWiden = 4;
// After so many rounds fewer than one in sixty of the nearest chunks has passed, so few documents do.
constexpr int kMostRounds = 3;

bool Lists(const Manifest& manifest, const std::string& folder) {
  return std::any_of(manifest.files.items().begin(), manifest.files.items().end(),
                     [&](const auto& file) { return file.key().starts_with(folder + "/"); });
}

// A file that the manifest does not list was never checked, and RocksDB might still read it.
void RefuseUnlisted(const fs::path& folder, const Manifest& manifest, const char* part) {
  for (const auto& entry : fs::recursive_directory_iterator(folder / part)) {
    const std::string relative = entry.path().lexically_relative(folder).generic_string();
    if (entry.is_directory() || manifest.files.contains(relative)) continue;
    Throw(ErrorCode::kCorruption, "{} is not in the manifest; remove it, or build the database again",
          entry.path().string());
  }
}

// A count of the manifest's index section, 0 when it is not there.
int IndexSetting(const Manifest& manifest, const char* name) {
  const auto index = manifest.counts.find("index");
  if (index == manifest.counts.end() || !index->is_object()) return 0;
  const auto setting = index->find(name);
  return setting != index->end() && setting->is_number_integer() ? std::max(0, setting->get<int>()) : 0;
}

// Which of a part's chunks a search may find. Documents are looked up once a search. One thread at a time.
class Admission {
 public:
  Admission(const ChunkStore& chunks, const RemovedChunks& removed, const DocumentFilter& filter)
      : chunks_(chunks), removed_(removed), filter_(filter) {}

  bool Admits(ChunkId chunk) {
    if (removed_.Contains(chunk.value)) return false;
    if (filter_.empty()) return true;
    const DocumentIndex document = chunks_.Get(chunk).document;
    const auto [known, is_new] = accepted_.try_emplace(document.value, false);
    if (is_new) known->second = filter_.Accepts(chunks_.Document(document));
    return known->second;
  }

 private:
  const ChunkStore& chunks_;
  const RemovedChunks& removed_;
  const DocumentFilter& filter_;
  std::unordered_map<uint64_t, bool> accepted_;
};

// The k nearest of `chunks`, by exact distance.
std::vector<Neighbour> NearestOf(std::span<const ChunkId> chunks, const StoredEmbeddings& embeddings,
                                 std::span<const float> query, size_t k) {
  std::vector<Neighbour> found;
  for (const ChunkId chunk : chunks) found.push_back({chunk});
  Rerank(embeddings, query, k, found);
  return found;
}

int Widened(int64_t value, uint64_t most) {
  const auto limit = static_cast<int64_t>(std::min<uint64_t>(most, std::numeric_limits<int>::max()));
  return static_cast<int>(std::clamp<int64_t>(value * kWiden, 1, std::max<int64_t>(limit, 1)));
}

}  // namespace

PartFiles::PartFiles(const GenerationPart& part, Manifest::Check check)
    : folder_(part.folder), manifest_xxh3_(part.manifest_xxh3), lease_(FileLease::Take(folder_ / kManifestFile)) {
  if (!lease_ && fs::exists(folder_ / kManifestFile)) {
    Throw(ErrorCode::kUnavailable, "{}: is being removed, since the database has a newer generation; open it again",
          folder_.string());
  }
  manifest_ = Manifest::Load(folder_, kDatabaseKind);
  if (HashFile(folder_ / kManifestFile) != manifest_xxh3_) {
    Throw(ErrorCode::kCorruption, "{}: its manifest is not the one that the database was made with; restore it",
          folder_.string());
  }
  if (!manifest_.files.contains(kIndexFile) || !Lists(manifest_, kChunksFolder)) {
    Throw(ErrorCode::kCorruption, "{}: the manifest lacks {} or {}/; build the database again", folder_.string(),
          kIndexFile, kChunksFolder);
  }
  for (const auto precision : {EmbeddingPrecision::kHalf, EmbeddingPrecision::kInt8}) {
    if (Lists(manifest_, EmbeddingsFolderName(precision))) embeddings_ = precision;
  }
  has_lexical_ = Lists(manifest_, kLexicalFolder);
  manifest_.VerifyFiles(folder_, check);
  RefuseUnlisted(folder_, manifest_, kChunksFolder);
  if (embeddings_) RefuseUnlisted(folder_, manifest_, EmbeddingsFolderName(*embeddings_));
  if (has_lexical_) RefuseUnlisted(folder_, manifest_, kLexicalFolder);
}

DatabasePart::DatabasePart(const GenerationPart& part, int64_t dim, Manifest::Check check)
    : files_(part, check), chunks_(files_.chunks_folder()), index_(VectorIndex::Load(files_.index_file())) {
  if (files_.embeddings()) {
    embeddings_ = OpenEmbeddings(files_.embeddings_folder(), index_.dim(), *files_.embeddings());
  }
  if (files_.has_lexical()) lexical_.emplace(files_.lexical_folder());
  if (index_.dim() != dim) {
    Throw(ErrorCode::kCorruption, "{} has dim {}, the embedder {}; build the database again",
          files_.index_file().string(), index_.dim(), dim);
  }
  CheckCount(files_.index_file(), "vectors", index_.size());
  if (embeddings_) CheckCount(files_.embeddings_folder(), "rows", embeddings_->size());
  if (lexical_) CheckCount(files_.lexical_folder(), "chunks", lexical_->num_chunks());
  if (part.num_chunks != chunks_.num_chunks()) {
    Throw(ErrorCode::kCorruption, "{} has {} chunks, the manifest says {}; build the database again",
          files_.chunks_folder().string(), chunks_.num_chunks(), part.num_chunks);
  }
}

void DatabasePart::CheckCount(const fs::path& path, const char* unit, uint64_t count) const {
  if (count == chunks_.num_chunks()) return;
  Throw(ErrorCode::kCorruption, "{} has {} {}, {} has {} chunks: they are of two builds; build the database again",
        path.string(), count, unit, files_.chunks_folder().string(), chunks_.num_chunks());
}

SearchOptions DatabasePart::Resolve(SearchOptions options) const {
  if (options.nprobe == 0) options.nprobe = IndexSetting(files_.manifest(), "nprobe");
  if (options.rerank_factor == 0) options.rerank_factor = IndexSetting(files_.manifest(), "rerank_factor");
  return options;
}

std::vector<ChunkId> DatabasePart::AdmittedChunks(const DocumentFilter& filter, const RemovedChunks& removed) const {
  std::vector<ChunkId> admitted;
  DocumentChunks places(chunks_);
  chunks_.ForEachDocument([&](DocumentIndex document, const DocumentInfo& info) {
    if (!filter.Accepts(info)) return;
    const DocumentChunks::Range range = places.Find(document);
    for (uint64_t chunk = range.first; chunk < range.end; ++chunk) {
      if (!removed.Contains(chunk)) admitted.push_back({chunk});
    }
  });
  return admitted;
}

bool DatabasePart::GetEmbedding(ChunkId chunk, std::span<float> out) const {
  if (embeddings_) {
    embeddings_->Get(chunk, out);
    return true;
  }
  const std::span<const float> row = index_.ExactRow(chunk);
  std::ranges::copy(row, out.begin());
  return !row.empty();
}

std::vector<std::vector<Neighbour>> DatabasePart::Search(std::span<const float> queries, const SearchOptions& options,
                                                         const RemovedChunks& removed, ThreadPool& pool) const {
  SearchOptions wider = Resolve(options);
  if (removed.count() == 0 && options.filter.empty()) {
    return SearchReranked(index_, embeddings(), queries, wider, pool);
  }
  const auto dim = static_cast<size_t>(index_.dim());
  const uint64_t size = std::max<uint64_t>(index_.size(), 1);
  Admission admission(chunks_, removed, options.filter);
  std::vector<std::vector<Neighbour>> found(queries.size() / dim);
  std::vector<size_t> open(found.size());  // queries that lack neighbours
  for (size_t i = 0; i < open.size(); ++i) open[i] = i;
  std::vector<float> asked(queries.begin(), queries.end());
  for (int round = 0; !open.empty(); ++round) {
    if (round == kMostRounds && embeddings_ && !options.filter.empty()) {
      const std::vector<ChunkId> admitted = AdmittedChunks(options.filter, removed);
      pool.ParallelFor(open.size(), [&](size_t i) {
        const auto query = queries.subspan(open[i] * dim, dim);
        found[open[i]] = NearestOf(admitted, *embeddings_, query, static_cast<size_t>(options.k));
      });
      break;
    }
    const auto rows = SearchReranked(index_, embeddings(), asked, wider, pool);
    const bool saw_all = static_cast<uint64_t>(wider.k) >= size && static_cast<uint64_t>(wider.nprobe) >= size;
    std::vector<size_t> still_open;
    for (size_t i = 0; i < open.size(); ++i) {
      auto& row = found[open[i]];
      row.clear();
      for (const Neighbour& neighbour : rows[i]) {
        if (std::ssize(row) == options.k) break;
        if (admission.Admits(neighbour.chunk)) row.push_back(neighbour);
      }
      const bool complete = std::ssize(row) == options.k || rows[i].size() == index_.size();
      if (!complete && !saw_all) still_open.push_back(open[i]);
    }
    open = std::move(still_open);
    asked.clear();
    for (const size_t query : open) {
      const auto row = queries.subspan(query * dim, dim);
      asked.insert(asked.end(), row.begin(), row.end());
    }
    // Fewer than were asked for came from the lists that were looked at, so those grow as well.
    wider.k = Widened(wider.k, size);
    wider.nprobe = Widened(std::max(wider.nprobe, 1), size);
  }
  return found;
}

std::vector<LexicalHit> DatabasePart::SearchLexical(const LexicalQuery& query, size_t k, const DocumentFilter& filter,
                                                    const RemovedChunks& removed) const {
  if (removed.count() == 0 && filter.empty()) return lexical_->Search(query, k);
  Admission admission(chunks_, removed, filter);
  return lexical_->Search(query, k, [&](ChunkId chunk) { return admission.Admits(chunk); });
}

}  // namespace retro
