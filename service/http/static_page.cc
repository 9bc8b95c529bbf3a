#include "service/http/static_page.h"

#include <array>

#include "core/hash.h"
#include "service/http/handlers.h"

namespace retro {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri "
    "'none'; "
    "frame-ancestors 'none'; form-action 'none'";

std::string_view TypeOf(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

}  // namespace

// Only names in the table are served, so no path can lead anywhere else.
const EmbeddedFile* FindPageFile(const std::vector<std::string>& path) {
  std::string name = "web";
  for (const std::string& segment : path) name += "/" + segment;
  if (path.empty() || path.back().empty()) name = path.empty() ? "web/index.html" : name + "index.html";
  for (const EmbeddedFile& file : EmbeddedFiles()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

boost::asio::awaitable<void> HandlePage(ServiceContext&, Exchange& exchange) {
  const EmbeddedFile& file = *FindPageFile(exchange.request().path);
  const std::string tag = "\"" + HashHex(file.bytes) + "\"";
  const bool known = exchange.request().if_none_match.find(tag) != std::string::npos;
  HttpReply reply;
  reply.status = known ? 304 : 200;
  reply.content_type = TypeOf(file.name);
  if (!known) reply.body = file.bytes;
  reply.headers = {{"ETag", tag},
                   {"Cache-Control", "no-cache"},
                   {"Content-Security-Policy", std::string(kPolicy)},
                   {"Referrer-Policy", "no-referrer"}};
  co_await exchange.Send(std::move(reply));
}

}  // namespace retro
