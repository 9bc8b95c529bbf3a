#include "service/http/retrieval_fields.h"

#include <algorithm>
#include <array>

#include "core/thread_pool.h"
#include "service/http/request_error.h"

namespace retro {
namespace {

constexpr int64_t kMostPassages = 100;
constexpr int64_t kMostProbes = 1 << 20;
constexpr int64_t kMostRerank = 1000;
constexpr size_t kMostFilters = 1000;

constexpr std::array<std::pair<std::string_view, RetrievalMode>, 4> kModes = {{{"off", RetrievalMode::kOff},
                                                                               {"prompt", RetrievalMode::kPrompt},
                                                                               {"cca", RetrievalMode::kCca},
                                                                               {"both", RetrievalMode::kBoth}}};

constexpr std::array<std::pair<std::string_view, LexicalMode>, 3> kLexicalModes = {
    {{"off", LexicalMode::kOff}, {"only", LexicalMode::kOnly}, {"fuse", LexicalMode::kFuse}}};

LexicalMode ReadLexical(const BodyFields& fields, LexicalMode absent) {
  const auto by_default = std::ranges::find(kLexicalModes, absent, [](const auto& mode) { return mode.second; });
  const std::string name = fields.Choice("lexical", by_default->first, {"off", "only", "fuse"});
  return std::ranges::find(kLexicalModes, name, [](const auto& mode) { return mode.first; })->second;
}

std::string ReadDate(const BodyFields& fields, const char* field) {
  std::string date = fields.Text(field, "");
  if (!fields.Has(field) || IsDate(date)) return date;
  RefuseField(fields.Path(field), "{} is \"{}\": it must be a date, as 2024, 2024-05 or 2024-05-17", fields.Path(field),
              date);
}

DocumentFilter ReadFilter(const BodyFields& fields) {
  return {.documents = fields.Texts("document_id", kMostFilters),
          .sources = fields.Texts("source", kMostFilters),
          .licences = fields.Texts("licence", kMostFilters),
          .date_from = ReadDate(fields, "date_from"),
          .date_to = ReadDate(fields, "date_to")};
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
  retrieval.search.nprobe = static_cast<int>(fields.Int("nprobe", retrieval.search.nprobe, 0, kMostProbes));
  retrieval.search.rerank_factor =
      static_cast<int>(fields.Int("rerank", retrieval.search.rerank_factor, 0, kMostRerank));
  retrieval.search.lexical = ReadLexical(fields, retrieval.search.lexical);
  if (const nlohmann::json* filters = fields.Find("filters")) {
    retrieval.search.filter = ReadFilter(BodyFields(*filters, fields.Path("filters.")));
  }
}

RetrievalFields ReadRetrieval(const BodyFields& call, const ServedModel& model) {
  RetrievalFields retrieval;
  retrieval.search = model.answer.search;
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
  return database.SearchPassages(query, retrieval.search, with_continuation, pool);
}

}  // namespace retro
