#include "evaluation/lm_neighbours.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "datasets/token_overlap.h"
#include "evaluation/random_numbers.h"
#include "retriever/passage_text.h"

namespace retro {
namespace {

constexpr int kOverlapNeighbours = 10;
// Chunks that are embedded and searched at once.
constexpr size_t kBatchChunks = 256;

// Uniform in [0, 1), and the same for every fraction, so that a smaller database lies within a larger one.
double KeepNumber(uint64_t document, uint64_t seed) {
  return static_cast<double>(RandomNumbers(document ^ RandomNumbers(seed).Next()).Next() >> 11) * 0x1p-53;
}

class NeighbourSearch {
 public:
  NeighbourSearch(const RetrievalDatabase& database, std::span<const LmDocument> documents,
                  const LmNeighbourOptions& options, ThreadPool& pool)
      : database_(database),
        documents_(documents),
        chunk_len_(database.chunks().chunk_len()),
        options_(options),
        pool_(pool),
        chunk_documents_(database.chunks()) {
    Check();
    for (const double fraction : options.fractions) {
      out_.num_candidates = std::max(out_.num_candidates, ChooseCandidates(options.num_neighbours, fraction));
    }
    if (options.num_candidates != 0) out_.num_candidates = options.num_candidates;
    out_.num_candidates = std::max(out_.num_candidates, kOverlapNeighbours);
    out_.num_short.assign(options.fractions.size(), 0);
    for (const LmDocument& document : documents) out_.findings.emplace_back(document.num_chunks());
  }

  LmNeighbours Run(const std::function<void(uint64_t)>& on_chunks) {
    std::vector<Place> batch;
    for (size_t d = 0; d < documents_.size(); ++d) {
      for (size_t u = 0; u < documents_[d].num_chunks(); ++u) {
        batch.push_back({d, u});
        if (batch.size() == kBatchChunks) FinishBatch(batch, on_chunks);
      }
    }
    FinishBatch(batch, on_chunks);
    out_.documents_met = met_.size();
    return std::move(out_);
  }

 private:
  struct Place {
    size_t document, chunk;
  };

  void Check() const {
    for (const double fraction : options_.fractions) {
      if (fraction > 0 && fraction <= 1) continue;
      Throw(ErrorCode::kInvalidArgument, "a database fraction is {}: it must be above 0 and at most 1", fraction);
    }
  }

  void FinishBatch(std::vector<Place>& batch, const std::function<void(uint64_t)>& on_chunks) {
    if (batch.empty()) return;
    ThrowIfInterrupted();
    std::vector<std::string> texts;
    for (const Place& place : batch) texts.push_back(PassageText(database_.tokenizer(), Text(place)));
    SearchOptions search = options_.search;
    search.k = out_.num_candidates;
    const auto found = database_.Search(std::vector<std::string_view>(texts.begin(), texts.end()), search, pool_);
    pool_.ParallelFor(batch.size(), [&](size_t i) { At(batch[i]).overlap = Overlap(Text(batch[i]), found[i]); });
    for (size_t i = 0; i < batch.size(); ++i) Keep(batch[i], found[i]);
    if (on_chunks) on_chunks(batch.size());
    batch.clear();
  }

  std::span<const TokenId> Text(const Place& place) const {
    return ChunkText(documents_[place.document], place.chunk, chunk_len_);
  }
  ChunkFindings& At(const Place& place) { return out_.findings[place.document][place.chunk]; }

  double Overlap(std::span<const TokenId> chunk, const std::vector<Neighbour>& found) const {
    std::vector<ChunkId> ids;
    for (const Neighbour& neighbour : found) ids.push_back(neighbour.chunk);
    ids.resize(std::min<size_t>(ids.size(), kOverlapNeighbours));
    const size_t row = 2 * chunk_len_;
    std::vector<TokenId> tokens(ids.size() * row);
    std::vector<uint32_t> lengths(ids.size());
    database_.chunks().GetNeighbours(ids, tokens, lengths);
    uint32_t longest = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      longest = std::max(longest, LongestCommonSubstring(chunk, std::span(tokens).subspan(i * row, lengths[i])));
    }
    return static_cast<double>(longest) / static_cast<double>(chunk.size());
  }

  // Passes the candidates on to the fractions that keep their documents, but those of the document itself.
  void Keep(const Place& place, const std::vector<Neighbour>& found) {
    const uint64_t own = DocumentHash(documents_[place.document].id);
    auto& kept = At(place).by_fraction;
    kept.resize(options_.fractions.size());
    for (const Neighbour& neighbour : found) {
      const FoundChunk chunk{neighbour.chunk, chunk_documents_.HashOf(neighbour.chunk)};
      if (chunk.document == own) {
        met_.insert(place.document);
        continue;
      }
      const double number = KeepNumber(chunk.document, options_.seed);
      for (size_t f = 0; f < kept.size(); ++f) {
        const bool wanted = kept[f].size() < static_cast<size_t>(options_.num_neighbours);
        if (wanted && number < options_.fractions[f]) kept[f].push_back(chunk);
      }
    }
    for (size_t f = 0; f < kept.size(); ++f) {
      out_.num_short[f] += kept[f].size() < static_cast<size_t>(options_.num_neighbours);
    }
  }

  const RetrievalDatabase& database_;
  std::span<const LmDocument> documents_;
  uint32_t chunk_len_;
  const LmNeighbourOptions& options_;
  ThreadPool& pool_;
  ChunkDocuments chunk_documents_;
  LmNeighbours out_;
  std::set<size_t> met_;
};

}  // namespace

void RequireDatabaseOf(const std::string& model, const RetroConfig& retro, const RetrievalDatabase& database) {
  if (database.chunks().chunk_len() != static_cast<uint64_t>(retro.chunk_len)) {
    Throw(ErrorCode::kInvalidArgument,
          "{} has chunks of {} tokens, the database of {}; give one built with --chunk-len {}", model, retro.chunk_len,
          database.chunks().chunk_len(), retro.chunk_len);
  }
  const std::string embedder = database.manifest().fingerprints.value("embedder", "");
  if (!retro.embedder.empty() && retro.embedder != embedder) {
    Throw(ErrorCode::kInvalidArgument,
          "{} learned from neighbours that another embedder found: its fingerprint is {}, that of the database's {}; "
          "give "
          "a database of the same embedder",
          model, retro.embedder, embedder);
  }
}

int ChooseCandidates(int wanted, double fraction) {
  // The mean of those that stay lies four standard deviations above `wanted`, and some more for the document's own.
  const double mean = wanted + 4 * std::sqrt(wanted) + 8;
  return static_cast<int>(std::ceil(mean / fraction));
}

uint64_t DocumentHash(const std::string& id) { return HashBytes(id); }

uint64_t ChunkDocuments::HashOf(ChunkId chunk) {
  const DocumentIndex document = chunks_.Get(chunk).document;
  const auto found = hashes_.find(document);
  if (found != hashes_.end()) return found->second;
  return hashes_.emplace(document, DocumentHash(chunks_.Document(document).id)).first->second;
}

LmNeighbours FindLmNeighbours(const RetrievalDatabase& database, std::span<const LmDocument> documents,
                              const LmNeighbourOptions& options, ThreadPool& pool,
                              const std::function<void(uint64_t)>& on_chunks) {
  return NeighbourSearch(database, documents, options, pool).Run(on_chunks);
}

}  // namespace retro
