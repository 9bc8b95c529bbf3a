#include "retriever/retrieval_database.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/thread_pool.h"
#include "retriever/passage_text.h"
#include "retriever/reranked_search.h"

namespace retro {

namespace fs = std::filesystem;

namespace {

constexpr const char* kKind = "retrieval database";
constexpr const char* kIndexFile = "vectors.index";
constexpr const char* kChunksFolder = "chunks";
constexpr const char* kEmbeddingsFolder = "embeddings";

// A text or number of the manifest, for comparing and for messages.
std::string Recorded(const nlohmann::json& section, const char* name) {
  const auto found = section.find(name);
  if (found == section.end()) return "(not recorded)";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

void CheckFingerprint(const fs::path& folder, const Manifest& manifest, const char* part, const std::string& given) {
  const std::string recorded = Recorded(manifest.fingerprints, part);
  if (recorded == given) return;
  Throw(ErrorCode::kInvalidArgument,
        "{} was built with another {}: its fingerprint is {}, that of the given one {}; give the one that it was built "
        "with, or build the database again",
        folder.string(), part, recorded, given);
}

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

// Everything that can be known before FAISS and RocksDB look at their files.
Manifest VerifiedManifest(const fs::path& folder, const Embedder& embedder, const Tokenizer& tokenizer,
                          RetrievalDatabase::Verify verify) {
  Manifest manifest = Manifest::Load(folder, kKind);
  CheckFingerprint(folder, manifest, "tokenizer", tokenizer.fingerprint());
  CheckFingerprint(folder, manifest, "embedder", embedder.fingerprint());
  if (!manifest.files.contains(kIndexFile) || !Lists(manifest, kChunksFolder)) {
    Throw(ErrorCode::kCorruption, "{}: the manifest lacks {} or {}/; build the database again", folder.string(),
          kIndexFile, kChunksFolder);
  }
  manifest.VerifyFiles(
      folder, verify == RetrievalDatabase::Verify::kChecksums ? Manifest::Check::kChecksums : Manifest::Check::kSizes);
  RefuseUnlisted(folder, manifest, kChunksFolder);
  if (Lists(manifest, kEmbeddingsFolder)) RefuseUnlisted(folder, manifest, kEmbeddingsFolder);
  return manifest;
}

// A count of the manifest's index section, 0 when it is not there.
int IndexSetting(const Manifest& manifest, const char* name) {
  const auto index = manifest.counts.find("index");
  if (index == manifest.counts.end() || !index->is_object()) return 0;
  const auto setting = index->find(name);
  return setting != index->end() && setting->is_number_integer() ? std::max(0, setting->get<int>()) : 0;
}

}  // namespace

struct RetrievalDatabase::State {
  State(const fs::path& where, std::shared_ptr<const Embedder> with_embedder,
        std::shared_ptr<const Tokenizer> with_tokenizer, Verify verify)
      : folder(where),
        embedder(std::move(with_embedder)),
        tokenizer(std::move(with_tokenizer)),
        manifest(VerifiedManifest(folder, *embedder, *tokenizer, verify)),
        chunks(folder / kChunksFolder),
        index(VectorIndex::Load(folder / kIndexFile)) {
    if (Lists(manifest, kEmbeddingsFolder)) embeddings.emplace(folder / kEmbeddingsFolder, index.dim());
    CheckAgreement();
  }

  void CheckAgreement() const {
    if (index.dim() != embedder->dim()) {
      Throw(ErrorCode::kCorruption, "{} has dim {}, the embedder {}; build the database again",
            (folder / kIndexFile).string(), index.dim(), embedder->dim());
    }
    CheckCount((folder / kIndexFile).string(), "vectors", index.size());
    if (embeddings) CheckCount((folder / kEmbeddingsFolder).string(), "rows", embeddings->size());
    if (Recorded(manifest.counts, "chunks") != std::to_string(chunks.num_chunks())) {
      Throw(ErrorCode::kCorruption, "{} has {} chunks, the manifest says {}; build the database again",
            (folder / kChunksFolder).string(), chunks.num_chunks(), Recorded(manifest.counts, "chunks"));
    }
  }

  void CheckCount(const std::string& path, const char* unit, uint64_t count) const {
    if (count == chunks.num_chunks()) return;
    Throw(ErrorCode::kCorruption, "{} has {} {}, {} has {} chunks: they are of two builds; build the database again",
          path, count, unit, (folder / kChunksFolder).string(), chunks.num_chunks());
  }

  SearchOptions Resolve(SearchOptions options) const {
    if (options.nprobe == 0) options.nprobe = IndexSetting(manifest, "nprobe");
    if (options.rerank_factor == 0) options.rerank_factor = IndexSetting(manifest, "rerank_factor");
    return options;
  }

  fs::path folder;
  std::shared_ptr<const Embedder> embedder;
  std::shared_ptr<const Tokenizer> tokenizer;
  Manifest manifest;
  ChunkStore chunks;
  VectorIndex index;
  std::optional<HalfEmbeddings> embeddings;
};

RetrievalDatabase::RetrievalDatabase(const fs::path& folder, std::shared_ptr<const Embedder> embedder,
                                     std::shared_ptr<const Tokenizer> tokenizer, Verify verify)
    : state_(std::make_unique<State>(folder, std::move(embedder), std::move(tokenizer), verify)) {}

RetrievalDatabase::~RetrievalDatabase() = default;

const fs::path& RetrievalDatabase::folder() const { return state_->folder; }
const Manifest& RetrievalDatabase::manifest() const { return state_->manifest; }
const ChunkStore& RetrievalDatabase::chunks() const { return state_->chunks; }
const VectorIndex& RetrievalDatabase::index() const { return state_->index; }
const HalfEmbeddings* RetrievalDatabase::embeddings() const {
  return state_->embeddings ? &*state_->embeddings : nullptr;
}
const Tokenizer& RetrievalDatabase::tokenizer() const { return *state_->tokenizer; }

std::vector<std::vector<Neighbour>> RetrievalDatabase::Search(std::span<const std::string_view> texts,
                                                              const SearchOptions& options, ThreadPool& pool) const {
  std::vector<float> queries(texts.size() * state_->index.dim());
  state_->embedder->Embed(texts, queries, pool);
  return SearchReranked(state_->index, embeddings(), queries, state_->Resolve(options), pool);
}

Passage RetrievalDatabase::GetPassage(const Neighbour& neighbour, bool with_continuation) const {
  const uint64_t left = state_->chunks.num_chunks() - neighbour.chunk.value;
  std::vector<ChunkRecord> records;
  state_->chunks.ReadRange(neighbour.chunk, std::min<uint64_t>(left, with_continuation ? 2 : 1), records);
  std::vector<TokenId> tokens = records[0].tokens;
  if (records.size() == 2 && records[1].document == records[0].document) {
    tokens.insert(tokens.end(), records[1].tokens.begin(), records[1].tokens.end());
  }
  Passage passage;
  passage.chunk = neighbour.chunk;
  passage.score = 1 - neighbour.distance / 2;
  passage.text = PassageText(*state_->tokenizer, tokens);
  passage.document = state_->chunks.Document(records[0].document);
  passage.position = records[0].position;
  return passage;
}

std::vector<Passage> RetrievalDatabase::SearchPassages(std::string_view text, const SearchOptions& options,
                                                       bool with_continuation, ThreadPool& pool) const {
  const auto found = Search({&text, 1}, options, pool);
  std::vector<Passage> passages;
  for (const Neighbour& neighbour : found[0]) passages.push_back(GetPassage(neighbour, with_continuation));
  return passages;
}

}  // namespace retro
