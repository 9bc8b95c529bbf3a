#include "core/error.h"
#include "service/http/embedded_file.h"
#include "service/http/handlers.h"
#include "service/http/model_info.h"
#include "service/http/request_error.h"
#include "service/http/send_json.h"

namespace retro {

namespace asio = boost::asio;

asio::awaitable<void> HandleModels(ServiceContext& context, Exchange& exchange) {
  const nlohmann::json json = ModelList(context.model);
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleModel(ServiceContext& context, Exchange& exchange) {
  const NamedModel named = ModelNamed(exchange.request().path.back(), context.model);
  const nlohmann::json json = ModelInfo(named, context.model);
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleHealth(ServiceContext&, Exchange& exchange) {
  const nlohmann::json json = {{"status", "ok"}};
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleReady(ServiceContext& context, Exchange& exchange) {
  if (!context.ready) throw RequestError(503, "the server is stopping");
  const nlohmann::json json = {{"status", "ok"}};
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleMetrics(ServiceContext& context, Exchange& exchange) {
  HttpReply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = context.metrics.Text(context.model.engine->Stats(), context.admission.requests());
  co_await exchange.Send(std::move(reply));
}

asio::awaitable<void> HandleVersion(ServiceContext&, Exchange& exchange) {
  const nlohmann::json json = {{"version", RETRO_VERSION}, {"commit", RETRO_COMMIT}};
  co_await SendJson(exchange, json);
}

asio::awaitable<void> HandleOpenApi(ServiceContext&, Exchange& exchange) {
  HttpReply reply;
  for (const EmbeddedFile& file : EmbeddedFiles()) {
    if (file.name == "http/openapi.json") reply.body = file.bytes;
  }
  co_await exchange.Send(std::move(reply));
}

}  // namespace retro
