#include <charconv>
#include <chrono>

#include "service/http/body_fields.h"
#include "service/http/handlers.h"
#include "service/http/passage_json.h"
#include "service/http/request_error.h"
#include "service/http/retrieval_fields.h"
#include "service/http/send_json.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;

constexpr uint64_t kMostNeighbours = 50;

nlohmann::json Retrieve(ServiceContext& context, const HttpRequest& request) {
  const nlohmann::json body = ParseBody(request, context.limits.json_depth);
  const BodyFields fields(body);
  RetrievalFields retrieval;
  retrieval.search.k = 5;
  retrieval.search.lexical = context.model.answer.search.lexical;
  ReadSearch(fields, retrieval);
  const std::string query = fields.RequiredText("query");
  if (query.find_first_not_of(" \t\r\n") == std::string::npos) RefuseField("query", "the query is empty");
  const auto database = RequireDatabase(context.model);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Passage> passages =
      FindPassages(*database, query, retrieval, fields.Bool("with_continuation", false));
  context.metrics.Retrieved(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return {{"results", PassagesJson(passages)}};
}

std::optional<uint64_t> QueryNumber(const HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.query) {
    if (key != name) continue;
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      RefuseField(std::string(name), "{} is \"{}\": it must be a whole number", name, value);
    }
    return number;
  }
  return std::nullopt;
}

// The chunks of its document around one of them.
nlohmann::json DocumentChunks(ServiceContext& context, const HttpRequest& request) {
  const auto database = RequireDatabase(context.model);
  const std::optional<uint64_t> around = QueryNumber(request, "around");
  if (!around) RefuseField("around", "around is missing: it names a chunk of the document");
  const uint64_t n = std::min(QueryNumber(request, "n").value_or(2), kMostNeighbours);
  const ChunkReader& chunks = database->chunks();
  if (*around >= chunks.num_chunks() || chunks.IsRemoved({*around}))
    throw RequestError(404, fmt::format("there is no chunk {}", *around));
  const DocumentIndex document = chunks.Get({*around}).document;
  const DocumentInfo info = chunks.Document(document);
  if (info.id != request.path[2]) {
    throw RequestError(404, fmt::format("chunk {} is not of the document \"{}\"", *around, request.path[2]));
  }
  uint64_t first = *around, last = *around;
  while (first > 0 && *around - first < n && chunks.Get({first - 1}).document == document) --first;
  while (last + 1 < chunks.num_chunks() && last - *around < n && chunks.Get({last + 1}).document == document) ++last;
  nlohmann::json list = nlohmann::json::array();
  for (uint64_t id = first; id <= last; ++id) {
    nlohmann::json passage = PassageJson(database->GetPassage({.chunk = {id}}, false));
    passage.erase("score");
    list.push_back(std::move(passage));
  }
  return {{"document_id", info.id}, {"title", info.title}, {"chunks", std::move(list)}};
}

}  // namespace

asio::awaitable<void> HandleRetrieve(ServiceContext& context, Exchange& exchange) {
  const auto work = [&] { return Retrieve(context, exchange.request()); };
  const nlohmann::json json = co_await OnWorker(context.workers, work);
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleDocumentChunks(ServiceContext& context, Exchange& exchange) {
  const auto work = [&] { return DocumentChunks(context, exchange.request()); };
  const nlohmann::json json = co_await OnWorker(context.workers, work);
  co_await SendJson(exchange, json);
}

}  // namespace retro
