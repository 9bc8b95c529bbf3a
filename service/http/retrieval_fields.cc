#include "service/http/retrieval_fields.h"

#include <algorithm>
#include <array>

#include "core/thread_pool.h"
#include "service/http/request_error.h"

namespace retro {
namespace {

constexpr int64_t kMostPassages = 100;
constexpr int kFilterDepth = 200;
constexpr int64_t kMostProbes = 1 << 20;
constexpr int64_t kMostRerank = 1000;
constexpr size_t kMostFilters = 1000;

constexpr std::array<std::pair<std::string_view, RetrievalMode>, 4> kModes = {{{"off", RetrievalMode::kOff},
                                                                               {"prompt", RetrievalMode::kPrompt},
                                                                               {"cca", RetrievalMode::kCca},
                                                                               {"both", RetrievalMode::kBoth}}};

constexpr std::array<std::pair<std::string_view, LexicalMode>, 3> kLexicalModes = {
    {{"off", LexicalMode::kOff}, {"only", LexicalMode::kOnly}, {"fuse", LexicalMode::kFuse}}};

std::set<std::string> ReadSet(const BodyFields& fields, const char* field) {
  const std::vector<std::string> texts = fields.Texts(field, kMostFilters);
  return {texts.begin(), texts.end()};
}

LexicalMode ReadLexical(const BodyFields& fields, LexicalMode absent) {
  const auto by_default = std::ranges::find(kLexicalModes, absent, [](const auto& mode) { return mode.second; });
  const std::string name = fields.Choice("lexical", by_default->first, {"off", "only", "fuse"});
  return std::ranges::find(kLexicalModes, name, [](const auto& mode) { return mode.first; })->second;
}

bool Passes(const Passage& passage, const RetrievalFields& retrieval) {
  const bool of_documents = retrieval.documents.empty() || retrieval.documents.contains(passage.document.id);
  return of_documents && (retrieval.sources.empty() || retrieval.sources.contains(passage.document.source));
}

}  // namespace

std::string_view ModeName(RetrievalMode mode) {
  for (const auto& [name, value] : kModes) {
    if (value == mode) return name;
  }
  return "";
}

RetrievalMode ReadMode(const BodyFields& fields, RetrievalMode absent) {
  const std::string name = fields.Choice("mode", ModeName(absent), {"off", "prompt", "cca", "both"});
  for (const auto& [known, value] : kModes) {
    if (known == name) return value;
  }
  return absent;
}

void ReadSearch(const BodyFields& fields, RetrievalFields& retrieval) {
  retrieval.search.k = static_cast<int>(fields.Int("k", retrieval.search.k, 1, kMostPassages));
  retrieval.search.nprobe = static_cast<int>(fields.Int("nprobe", 0, 0, kMostProbes));
  retrieval.search.rerank_factor = static_cast<int>(fields.Int("rerank", 0, 0, kMostRerank));
  retrieval.search.lexical = ReadLexical(fields, retrieval.search.lexical);
  if (const nlohmann::json* filters = fields.Find("filters")) {
    const BodyFields filter(*filters, fields.Path("filters."));
    retrieval.documents = ReadSet(filter, "document_id");
    retrieval.sources = ReadSet(filter, "source");
  }
}

RetrievalFields ReadRetrieval(const BodyFields& call, const ServedModel& model) {
  RetrievalFields retrieval;
  retrieval.search.k = model.answer.k;
  retrieval.search.lexical = model.answer.lexical;
  const nlohmann::json* object = call.Find("retrieval");
  if (object == nullptr) return retrieval;
  const BodyFields fields(*object, "retrieval.");
  retrieval.mode = ReadMode(fields, model.database() ? RetrievalMode::kPrompt : RetrievalMode::kOff);
  ReadSearch(fields, retrieval);
  if (retrieval.mode != RetrievalMode::kOff) RequireDatabase(model);
  if (UsesCrossAttention(retrieval.mode) && !model.engine->decoder().config().retro) {
    RefuseField("retrieval.mode", "the model \"{}\" has no chunked cross-attention: use the mode prompt or off",
                model.id);
  }
  return retrieval;
}

std::shared_ptr<const RetrievalDatabase> RequireDatabase(const ServedModel& model) {
  auto database = model.database();
  if (!database) RefuseField("retrieval", "the server was started without a database: it has nothing to retrieve from");
  return database;
}

std::vector<Passage> FindPassages(const RetrievalDatabase& database, const std::string& query,
                                  const RetrievalFields& retrieval, bool with_continuation) {
  ThreadPool pool(1);
  if (retrieval.documents.empty() && retrieval.sources.empty()) {
    return database.SearchPassages(query, retrieval.search, with_continuation, pool);
  }
  SearchOptions search = retrieval.search;
  search.k = std::max(search.k, kFilterDepth);
  std::vector<Passage> passages = database.SearchPassages(query, search, with_continuation, pool);
  std::erase_if(passages, [&](const Passage& passage) { return !Passes(passage, retrieval); });
  if (std::ssize(passages) > retrieval.search.k) passages.resize(retrieval.search.k);
  return passages;
}

}  // namespace retro
