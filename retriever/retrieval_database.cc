#include "retriever/retrieval_database.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/thread_pool.h"
#include "retriever/database_part.h"
#include "retriever/nearer.h"
#include "retriever/passage_text.h"
#include "retriever/rank_fusion.h"

namespace retro {

namespace fs = std::filesystem;

namespace {

// Ranks that fusion looks at: beyond them a chunk adds less than 1/160.
constexpr int kFusionDepth = 100;

using Parts = std::vector<std::shared_ptr<const DatabasePart>>;

// A part of `open` that has the same manifest, or null.
std::shared_ptr<const DatabasePart> FindPart(const Parts& open, const GenerationPart& part) {
  const auto found = std::ranges::find(open, part.manifest_xxh3, [](const auto& p) { return p->manifest_xxh3(); });
  return found == open.end() ? nullptr : *found;
}

PartedChunks ChunksOf(const Parts& parts, std::span<const RemovedDocument> removed) {
  std::vector<PartedChunks::Part> chunks;
  for (size_t i = 0; i < parts.size(); ++i) {
    chunks.push_back({std::shared_ptr<const ChunkStore>(parts[i], &parts[i]->chunks()), RemovedChunks(removed, i)});
  }
  return PartedChunks(std::move(chunks));
}

std::vector<std::optional<TunedSearch>> TunedOf(const DatabaseGeneration& generation) {
  std::vector<std::optional<TunedSearch>> tuned;
  for (const GenerationPart& part : generation.parts) tuned.push_back(part.search);
  return tuned;
}

// What the caller left open, as tuned. An ef_search belongs to the nprobe that it was measured with.
SearchOptions Resolve(SearchOptions options, const std::optional<TunedSearch>& tuned) {
  if (!tuned) return options;
  if (options.rerank_factor == 0) options.rerank_factor = tuned->rerank_factor;
  if (options.nprobe != 0) return options;
  options.nprobe = tuned->nprobe;
  if (options.ef_search == 0) options.ef_search = tuned->ef_search;
  return options;
}

void KeepNearest(size_t k, std::vector<Neighbour>& found) {
  std::ranges::sort(found, IsNearer);
  if (found.size() > k) found.resize(k);
}

}  // namespace

struct RetrievalDatabase::State {
  State(const fs::path& where, std::shared_ptr<const Embedder> with_embedder,
        std::shared_ptr<const Tokenizer> with_tokenizer, Verify how, const DatabaseGeneration& current, Parts opened)
      : folder(where),
        embedder(std::move(with_embedder)),
        tokenizer(std::move(with_tokenizer)),
        verify(how),
        generation(current.number),
        stamp(current.stamp),
        manifest(current.manifest),
        tuned(TunedOf(current)),
        parts(std::move(opened)),
        chunks(ChunksOf(parts, current.removed)) {}

  // `open`: parts that need not be opened again.
  static std::unique_ptr<State> Open(const fs::path& folder, const std::shared_ptr<const Embedder>& embedder,
                                     const std::shared_ptr<const Tokenizer>& tokenizer, Verify verify,
                                     const Parts& open) {
    return OpenCurrent(folder, [&](const DatabaseGeneration& generation) {
      RequireFingerprint(folder, generation.manifest, "tokenizer", tokenizer->fingerprint());
      RequireFingerprint(folder, generation.manifest, "embedder", embedder->fingerprint());
      const auto check = verify == Verify::kChecksums ? Manifest::Check::kChecksums : Manifest::Check::kSizes;
      Parts parts;
      for (const GenerationPart& part : generation.parts) {
        auto known = FindPart(open, part);
        parts.push_back(known ? known : std::make_shared<const DatabasePart>(part, embedder->dim(), check));
      }
      return std::make_unique<State>(folder, embedder, tokenizer, verify, generation, std::move(parts));
    });
  }

  fs::path folder;
  std::shared_ptr<const Embedder> embedder;
  std::shared_ptr<const Tokenizer> tokenizer;
  Verify verify;
  uint64_t generation;
  FileStamp stamp;
  Manifest manifest;
  std::vector<std::optional<TunedSearch>> tuned;  // of each part
  Parts parts;
  PartedChunks chunks;
};

RetrievalDatabase::RetrievalDatabase(const fs::path& folder, std::shared_ptr<const Embedder> embedder,
                                     std::shared_ptr<const Tokenizer> tokenizer, Verify verify)
    : state_(State::Open(folder, embedder, tokenizer, verify, {})) {}

RetrievalDatabase::RetrievalDatabase(std::unique_ptr<State> state) : state_(std::move(state)) {}
RetrievalDatabase::~RetrievalDatabase() = default;

bool RetrievalDatabase::HasNewer() const {
  const auto stamp = DatabaseGeneration::CurrentStamp(state_->folder);
  return stamp.has_value() && stamp != state_->stamp;
}

std::unique_ptr<RetrievalDatabase> RetrievalDatabase::OpenNewer() const {
  const State& old = *state_;
  return std::unique_ptr<RetrievalDatabase>(
      new RetrievalDatabase(State::Open(old.folder, old.embedder, old.tokenizer, old.verify, old.parts)));
}

const fs::path& RetrievalDatabase::folder() const { return state_->folder; }
uint64_t RetrievalDatabase::generation() const { return state_->generation; }
const Manifest& RetrievalDatabase::manifest() const { return state_->manifest; }
const PartedChunks& RetrievalDatabase::chunks() const { return state_->chunks; }
const Tokenizer& RetrievalDatabase::tokenizer() const { return *state_->tokenizer; }

EncoderPrecision RetrievalDatabase::query_precision() const { return state_->embedder->precision(); }
bool RetrievalDatabase::has_exact_distances() const {
  return std::ranges::all_of(state_->parts, [](const auto& part) { return part->has_exact_distances(); });
}

std::vector<std::vector<Neighbour>> RetrievalDatabase::Search(std::span<const std::string_view> texts,
                                                              const SearchOptions& options, ThreadPool& pool) const {
  const auto dim = static_cast<size_t>(state_->embedder->dim());
  std::vector<float> queries(texts.size() * dim);
  if (options.k < 1) Throw(ErrorCode::kInvalidArgument, "k is {}: at least 1 neighbour must be asked for", options.k);
  if (options.lexical != LexicalMode::kOff) RequireLexical();
  options.filter.Validate();
  state_->embedder->Embed(texts, queries, pool);
  if (options.lexical == LexicalMode::kOff) return SearchDense(queries, options, pool);
  std::vector<std::vector<Neighbour>> found(texts.size());
  if (options.lexical == LexicalMode::kFuse) {
    SearchOptions deep = options;
    deep.k = std::max(options.k, kFusionDepth);
    found = SearchDense(queries, deep, pool);
  }
  pool.ParallelFor(texts.size(), [&](size_t i) {
    found[i] = RankByWords(texts[i], std::span(queries).subspan(i * dim, dim), found[i], options);
  });
  return found;
}

std::vector<std::vector<Neighbour>> RetrievalDatabase::SearchDense(std::span<const float> queries,
                                                                   const SearchOptions& options,
                                                                   ThreadPool& pool) const {
  std::vector<std::vector<Neighbour>> found(queries.size() / static_cast<size_t>(state_->embedder->dim()));
  for (size_t i = 0; i < state_->parts.size(); ++i) {
    const uint64_t first = state_->chunks.first_chunk(i).value;
    const auto rows =
        state_->parts[i]->Search(queries, Resolve(options, state_->tuned[i]), state_->chunks.part(i).removed, pool);
    for (size_t query = 0; query < rows.size(); ++query) {
      for (const Neighbour& near : rows[query]) found[query].push_back({{near.chunk.value + first}, near.distance});
    }
  }
  for (auto& row : found) KeepNearest(static_cast<size_t>(options.k), row);
  return found;
}

// Whoever searches is told, a server's client too: the folder is none of its business.
void RetrievalDatabase::RequireLexical() const {
  for (const auto& part : state_->parts) {
    if (part->lexical() == nullptr) {
      Throw(ErrorCode::kInvalidArgument,
            "the database has no lexical index, or documents were added without one: make it with retro index lexical, "
            "or search without --lexical");
    }
  }
  if (has_exact_distances()) return;
  Throw(ErrorCode::kInvalidArgument,
        "the database's embeddings were not kept, so chunks that are found by their words have no distance: build it "
        "with --keep-embeddings, or search without --lexical");
}

// `dense`: the nearest, empty where words alone decide.
std::vector<Neighbour> RetrievalDatabase::RankByWords(std::string_view text, std::span<const float> query,
                                                      const std::vector<Neighbour>& dense,
                                                      const SearchOptions& options) const {
  const auto k = static_cast<size_t>(options.k);
  std::vector<ChunkId> order;
  if (options.lexical == LexicalMode::kOnly) {
    order = SearchLexical(text, k, options.filter);
  } else {
    std::vector<ChunkId> nearest;
    for (const Neighbour& neighbour : dense) nearest.push_back(neighbour.chunk);
    const size_t depth = std::max(k, static_cast<size_t>(kFusionDepth));
    order = FuseRankings(std::array{std::move(nearest), SearchLexical(text, depth, options.filter)}, k);
  }
  std::vector<Neighbour> ranked;
  for (const ChunkId chunk : order) {
    const auto known = std::ranges::find(dense, chunk, &Neighbour::chunk);
    ranked.push_back({chunk, known != dense.end() ? known->distance : Distance(query, chunk)});
  }
  return ranked;
}

std::vector<ChunkId> RetrievalDatabase::SearchLexical(std::string_view text, size_t k,
                                                      const DocumentFilter& filter) const {
  std::vector<const LexicalIndex*> indexes;
  for (const auto& part : state_->parts) indexes.push_back(part->lexical());
  const LexicalQuery query(text, indexes);
  std::vector<LexicalHit> hits;
  for (size_t i = 0; i < state_->parts.size(); ++i) {
    const uint64_t first = state_->chunks.first_chunk(i).value;
    for (const LexicalHit& hit : state_->parts[i]->SearchLexical(query, k, filter, state_->chunks.part(i).removed)) {
      hits.push_back({{hit.chunk.value + first}, hit.score});
    }
  }
  // Parts come in the order of their chunks, so of equal scores the first chunks stay in front.
  std::ranges::stable_sort(hits, [](const LexicalHit& a, const LexicalHit& b) { return a.score > b.score; });
  std::vector<ChunkId> chunks;
  for (size_t i = 0; i < std::min(k, hits.size()); ++i) chunks.push_back(hits[i].chunk);
  return chunks;
}

float RetrievalDatabase::Distance(std::span<const float> query, ChunkId chunk) const {
  size_t part = state_->parts.size() - 1;
  while (state_->chunks.first_chunk(part) > chunk) --part;
  std::vector<float> row(query.size());
  state_->parts[part]->GetEmbedding({chunk.value - state_->chunks.first_chunk(part).value}, row);
  float sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += (query[i] - row[i]) * (query[i] - row[i]);
  return sum;
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
