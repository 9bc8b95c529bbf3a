#include "service/http/router.h"

#include <algorithm>

#include "core/log.h"
#include "service/http/handlers.h"
#include "service/http/request_error.h"
#include "service/http/static_page.h"

namespace retro {

struct Route {
  enum class Access { kKey, kOpen };  // kOpen: also without an API key
  enum class Cost { kLight, kWork };  // kWork: counts against the limits of requests
  std::string_view method, pattern;   // "{id}" stands for any one segment
  Handler handler;
  Access access = Access::kKey;
  Cost cost = Cost::kWork;
};

namespace {

namespace asio = boost::asio;

constexpr auto kOpen = Route::Access::kOpen;
constexpr auto kKey = Route::Access::kKey;
constexpr auto kLight = Route::Cost::kLight;

constexpr Route kRoutes[] = {
    {"POST", "v1/completions", HandleCompletions},
    {"POST", "v1/chat/completions", HandleChat},
    {"POST", "v1/answer", HandleAnswer},
    {"POST", "v1/feedback", HandleFeedback},
    {"POST", "v1/retrieve", HandleRetrieve},
    {"GET", "v1/documents/{id}/chunks", HandleDocumentChunks},
    {"POST", "v1/documents", HandleAddDocuments},
    {"DELETE", "v1/documents", HandleRemoveDocuments},
    {"DELETE", "v1/documents/{id}", HandleRemoveDocuments},
    {"POST", "v1/embeddings", HandleEmbeddings},
    {"POST", "tokenize", HandleTokenize},
    {"POST", "detokenize", HandleDetokenize},
    {"GET", "tokenizer_info", HandleTokenizerInfo, kKey, kLight},
    {"GET", "v1/models", HandleModels, kKey, kLight},
    {"GET", "v1/models/{id}", HandleModel, kKey, kLight},
    {"GET", "health", HandleHealth, kOpen, kLight},
    {"GET", "live", HandleHealth, kOpen, kLight},
    {"GET", "ready", HandleReady, kOpen, kLight},
    {"GET", "metrics", HandleMetrics, kKey, kLight},
    {"GET", "version", HandleVersion, kKey, kLight},
    {"GET", "openapi.json", HandleOpenApi, kKey, kLight},
};

// The page's files hold nothing that the program's source does not, and a browser cannot send a key with a link.
constexpr Route kPageRoute = {"GET", "", HandlePage, kOpen, kLight};

bool Matches(std::string_view pattern, const std::vector<std::string>& path) {
  size_t i = 0;
  for (; !pattern.empty(); ++i) {
    const std::string_view segment = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(std::min(pattern.size(), segment.size() + 1));
    if (i == path.size() || (segment != "{id}" && segment != path[i])) return false;
    if (path[i].empty()) return false;
  }
  return i == path.size();
}

std::string_view MethodToMatch(const HttpRequest& request) { return request.method == "HEAD" ? "GET" : request.method; }

// The route, or none when the path has none; then `allowed` tells its other methods.
const Route* FindRoute(const HttpRequest& request, std::string& allowed) {
  for (const Route& route : kRoutes) {
    if (!Matches(route.pattern, request.path)) continue;
    if (route.method == MethodToMatch(request)) return &route;
    allowed += fmt::format("{}{}{}", allowed.empty() ? "" : ", ", route.method, route.method == "GET" ? ", HEAD" : "");
  }
  if (allowed.empty() && FindPageFile(request.path) != nullptr) {
    if (MethodToMatch(request) == kPageRoute.method) return &kPageRoute;
    allowed = "GET, HEAD";
  }
  return nullptr;
}

std::string PatternOf(const HttpRequest& request) {
  std::string ignored;
  const Route* route = FindRoute(request, ignored);
  if (route == nullptr) return "none";
  return "/" + std::string(route->pattern);
}

}  // namespace

Router::Router(const HttpOptions& options, ServedModel model)
    : keys_(options.api_keys), cors_origins_(options.cors_origins), context_(options, std::move(model)) {}

void Router::Admit(HttpRequest& request) {
  if (IsPreflight(request)) return;
  std::string allowed;
  const Route* route = FindRoute(request, allowed);
  const bool open = route != nullptr && route->access == Route::Access::kOpen;
  if (!keys_.empty() && !open) {
    const auto key = keys_.Find(request.authorization);
    if (!key) throw RequestError(401, "this needs an API key of the server's: send \"Authorization: Bearer KEY\"");
    request.client = fmt::format("key {}", *key);
  }
  if (route == nullptr && allowed.empty())
    throw RequestError(404, "there is nothing here; /openapi.json lists what is");
  if (route == nullptr) {
    throw RequestError(405, fmt::format("{} is not for this, only {}", request.method, allowed));
  }
  // Anything else could be sent by a page of another origin without asking.
  if (request.method == "POST" && !request.content_type.starts_with("application/json")) {
    throw RequestError(415, "the body must be JSON: send \"Content-Type: application/json\"");
  }
}

asio::awaitable<void> Router::Handle(Exchange& exchange) {
  if (IsPreflight(exchange.request())) {
    HttpReply reply{.status = 204, .content_type = ""};
    reply.headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE"},
                     {"Access-Control-Allow-Headers", "Authorization, Content-Type"},
                     {"Access-Control-Max-Age", "600"}};
    co_await exchange.Send(std::move(reply));
    co_return;
  }
  std::string allowed;
  const Route* route = FindRoute(exchange.request(), allowed);
  std::unique_ptr<Admission::Place> place;
  if (route->cost == Route::Cost::kWork) place = context_.admission.Enter(exchange.request().client);
  co_await route->handler(context_, exchange);
}

std::vector<std::pair<std::string, std::string>> Router::ReplyHeaders(const HttpRequest& request) const {
  std::vector<std::pair<std::string, std::string>> headers;
  if (!request.id.empty()) headers.emplace_back("X-Request-Id", request.id);
  std::string allowed;
  if (FindRoute(request, allowed) == nullptr && !allowed.empty()) headers.emplace_back("Allow", allowed);
  if (cors_origins_.empty()) return headers;
  headers.emplace_back("Vary", "Origin");
  if (IsAllowedOrigin(request.origin)) headers.emplace_back("Access-Control-Allow-Origin", request.origin);
  return headers;
}

void Router::Ended(const HttpRequest& request, int status, std::chrono::duration<double> time, End end) {
  const std::string route = PatternOf(request);
  context_.metrics.RequestEnded(route, status, time.count());
  if (end == End::kClientGone) context_.metrics.Cancelled();
  spdlog::debug(R"({{"request":"{}","method":"{}","route":"{}","status":{},"seconds":{:.4f},"client_gone":{}}})",
                request.id, request.method, route, status, time.count(), end == End::kClientGone);
}

bool Router::IsPreflight(const HttpRequest& request) const {
  return request.method == "OPTIONS" && !cors_origins_.empty() && IsAllowedOrigin(request.origin);
}

bool Router::IsAllowedOrigin(const std::string& origin) const {
  if (origin.empty()) return false;
  return std::ranges::any_of(cors_origins_, [&](const std::string& one) { return one == "*" || one == origin; });
}

}  // namespace retro
