#include "datasets/corpus.h"

#include <algorithm>

#include "core/error.h"
#include "datasets/corpus_shard.h"

namespace retro {

DocumentInfo InfoOf(const Document& document) {
  return {document.id, document.title, document.source, document.url, document.licence, document.date};
}

struct Corpus::State {
  Manifest manifest;
  std::vector<Shard> shards;
  std::vector<uint64_t> starts{0};  // number of documents before each shard, then of all
  uint64_t num_tokens = 0;

  // The shard of a document and its number in there.
  std::pair<const Shard&, uint64_t> Find(DocumentIndex document) const {
    if (document.value >= starts.back()) {
      Throw(ErrorCode::kNotFound, "document {}: the corpus has {}", document.value, starts.back());
    }
    const auto next = std::upper_bound(starts.begin(), starts.end(), document.value);
    const auto shard = static_cast<size_t>(next - starts.begin()) - 1;
    return {shards[shard], document.value - starts[shard]};
  }
};

namespace {

struct PartCounts {
  uint64_t shards = 0, documents = 0, tokens = 0, vocab_size = 0;
};

PartCounts ReadPartCounts(const Manifest& manifest, const std::filesystem::path& folder, const std::string& part) {
  try {
    const nlohmann::json& parts = manifest.counts.at("parts");
    if (!parts.contains(part)) {
      Throw(ErrorCode::kNotFound, "{}: the corpus has no part \"{}\"; build it with a fraction for that part",
            folder.string(), part);
    }
    const nlohmann::json& counts = parts.at(part);
    return {.shards = counts.at("shards"),
            .documents = counts.at("documents"),
            .tokens = counts.at("tokens"),
            .vocab_size = manifest.fingerprints.at("vocab_size")};
  } catch (const nlohmann::json::exception& error) {
    Throw(ErrorCode::kCorruption, "{}/manifest.json: {}; build the corpus again", folder.string(), error.what());
  }
}

}  // namespace

Corpus::Corpus(const std::filesystem::path& folder, const std::string& part) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.manifest = Manifest::Load(folder, "corpus");
  state.manifest.VerifyFiles(folder, Manifest::Check::kSizes);
  const PartCounts counts = ReadPartCounts(state.manifest, folder, part);
  for (uint64_t shard = 0; shard < counts.shards; ++shard) {
    state.shards.emplace_back(folder / part, shard, counts.vocab_size);
    state.starts.push_back(state.starts.back() + state.shards.back().num_documents());
    state.num_tokens += state.shards.back().num_tokens();
  }
  if (state.starts.back() != counts.documents || state.num_tokens != counts.tokens) {
    Throw(ErrorCode::kCorruption,
          "{}/{}: its shards hold {} documents and {} tokens, the manifest says {} and {}; build the corpus again",
          folder.string(), part, state.starts.back(), state.num_tokens, counts.documents, counts.tokens);
  }
}

Corpus::~Corpus() = default;
Corpus::Corpus(Corpus&&) noexcept = default;

const Manifest& Corpus::manifest() const { return state_->manifest; }
uint64_t Corpus::num_documents() const { return state_->starts.back(); }
uint64_t Corpus::num_tokens() const { return state_->num_tokens; }

void Corpus::AppendTokens(DocumentIndex document, std::vector<TokenId>& tokens) const {
  const auto [shard, number] = state_->Find(document);
  shard.AppendTokens(number, tokens);
}

void Corpus::ReadTokens(DocumentIndex document, uint64_t begin, std::span<TokenId> out) const {
  const auto [shard, number] = state_->Find(document);
  const uint64_t length = shard.DocumentLength(number);
  if (begin > length || out.size() > length - begin) {
    Throw(ErrorCode::kNotFound, "document {}: has {} tokens, asked for {} from {} on", document.value, length,
          out.size(), begin);
  }
  shard.ReadTokens(number, begin, out);
}

uint64_t Corpus::DocumentLength(DocumentIndex document) const {
  const auto [shard, number] = state_->Find(document);
  return shard.DocumentLength(number);
}

DocumentInfo Corpus::Info(DocumentIndex document) const {
  const auto [shard, number] = state_->Find(document);
  return shard.Info(number);
}

}  // namespace retro
