#include "retriever/neighbour_retriever.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/thread_pool.h"
#include "retriever/passage_text.h"

namespace retro {

NeighbourRetriever::NeighbourRetriever(std::shared_ptr<const RetrievalDatabase> database, const RetroConfig& config,
                                       const Tokenizer& tokenizer, const SearchOptions& options, ThreadPool& pool)
    : database_(std::move(database)), neighbour_len_(config.neighbour_len), options_(options), pool_(pool) {
  if (options.k < 1) Throw(ErrorCode::kInvalidArgument, "k is {}: it must be at least 1", options.k);
  Check(config, tokenizer);
}

void NeighbourRetriever::Check(const RetroConfig& config, const Tokenizer& tokenizer) const {
  if (database_->tokenizer().fingerprint() != tokenizer.fingerprint()) {
    Throw(ErrorCode::kInvalidArgument,
          "the database's chunks are in the tokens of another tokenizer ({}) than the model's ({}): build a database "
          "with the model's tokenizer",
          database_->tokenizer().fingerprint(), tokenizer.fingerprint());
  }
  const int64_t chunk_len = database_->chunks().chunk_len();
  if (chunk_len != config.chunk_len) {
    Throw(ErrorCode::kInvalidArgument,
          "the database has chunks of {} tokens, the model of {}: build a database with the model's chunk length",
          chunk_len, config.chunk_len);
  }
  const std::string embedder = database_->manifest().fingerprints.value("embedder", "");
  if (!config.embedder.empty() && config.embedder != embedder) {
    Throw(ErrorCode::kInvalidArgument,
          "the model was trained with neighbours of the embedder {}, the database was built with {}: build a database "
          "with the model's embedder",
          config.embedder, embedder);
  }
}

void NeighbourRetriever::Exclude(size_t sequence, std::span<const Passage> passages) {
  for (const Passage& passage : passages) excluded_[sequence].insert(passage.chunk.value);
}

void NeighbourRetriever::GiveUpTo(int64_t end, std::span<const Passage> passages) {
  given_up_to_ = end;
  given_.assign(passages.begin(), passages.end());
}

std::vector<ChunkNeighbours> NeighbourRetriever::Retrieve(std::span<const RetrievalQuery> queries) {
  std::vector<RetrievalQuery> searched;
  std::ranges::copy_if(queries, std::back_inserter(searched),
                       [this](const RetrievalQuery& query) { return query.end > given_up_to_; });
  auto found = Search(searched);
  auto next = found.begin();
  std::vector<ChunkNeighbours> results;
  for (const RetrievalQuery& query : queries) {
    retrieved_.push_back({query.sequence, query.end, query.end > given_up_to_ ? std::move(*next++) : given_});
    results.push_back(Tokens(retrieved_.back().neighbours));
  }
  return results;
}

RetrieveFunction NeighbourRetriever::Function() {
  return [this](std::span<const RetrievalQuery> queries) { return Retrieve(queries); };
}

std::vector<std::vector<Passage>> NeighbourRetriever::Search(std::span<const RetrievalQuery> queries) const {
  std::vector<std::vector<Passage>> results;
  if (queries.empty()) return results;
  std::vector<std::string> texts;
  for (const RetrievalQuery& query : queries) texts.push_back(PassageText(database_->tokenizer(), query.chunk));
  SearchOptions options = options_;
  size_t most_excluded = 0;
  for (const auto& [sequence, chunks] : excluded_) most_excluded = std::max(most_excluded, chunks.size());
  options.k += static_cast<int>(most_excluded);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto found = database_->Search(views, options, pool_);
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto excluded = excluded_.find(queries[i].sequence);
    std::vector<Passage>& passages = results.emplace_back();
    for (const Neighbour& neighbour : found[i]) {
      if (std::ssize(passages) == options_.k) break;
      if (excluded != excluded_.end() && excluded->second.contains(neighbour.chunk.value)) continue;
      passages.push_back(database_->GetPassage(neighbour, true));
    }
  }
  return results;
}

ChunkNeighbours NeighbourRetriever::Tokens(std::span<const Passage> passages) const {
  const size_t stride = 2 * database_->chunks().chunk_len();
  std::vector<ChunkId> ids;
  for (const Passage& passage : passages) ids.push_back(passage.chunk);
  std::vector<TokenId> tokens(ids.size() * stride);
  std::vector<uint32_t> lengths(ids.size());
  database_->chunks().GetNeighbours(ids, tokens, lengths);
  ChunkNeighbours neighbours;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto length = std::min<int64_t>(lengths[i], neighbour_len_);
    const auto begin = tokens.begin() + static_cast<int64_t>(i * stride);
    neighbours.emplace_back(begin, begin + length);
  }
  return neighbours;
}

}  // namespace retro
