#include <chrono>

#include "service/http/base64.h"
#include "service/http/body_fields.h"
#include "service/http/handlers.h"
#include "service/http/model_info.h"
#include "service/http/request_error.h"
#include "service/http/send_json.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;

constexpr size_t kMostTexts = 2048;

std::vector<std::string> ReadInput(const BodyFields& fields) {
  const nlohmann::json* input = fields.Find("input");
  const bool ids = input != nullptr && input->is_array() && !input->empty() && !input->front().is_string();
  if (ids) {
    RefuseField(
        "input",
        "input holds token ids: this encoder has a vocabulary of its own, so send texts (with langchain-openai: "
        "check_embedding_ctx_length=False)");
  }
  std::vector<std::string> texts = fields.Texts("input", kMostTexts);
  if (texts.empty()) RefuseField("input", "input is missing or empty: it must be a text or a list of texts");
  return texts;
}

nlohmann::json EmbeddingJson(std::span<const float> row, bool base64) {
  if (base64) return Base64OfFloats(row);
  return std::vector<float>(row.begin(), row.end());
}

nlohmann::json Embed(ServiceContext& context, const HttpRequest& request) {
  const nlohmann::json body = ParseBody(request, context.limits.json_depth);
  const BodyFields fields(body);
  if (!context.model.embedder) throw RequestError(404, "the server was started without an encoder");
  const Embedder& embedder = *context.model.embedder;
  const bool base64 = fields.Choice("encoding_format", "float", {"float", "base64"}) == "base64";
  if (fields.Int("dimensions", embedder.dim(), 1, kMostTexts * 1024) != embedder.dim()) {
    RefuseField("dimensions", "dimensions must be {}, the encoder's width, or left out", embedder.dim());
  }
  const std::vector<std::string> texts = ReadInput(fields);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> rows(texts.size() * embedder.dim());
  {
    const std::lock_guard lock(context.embedding_mutex);
    const auto begin = std::chrono::steady_clock::now();
    embedder.Embed(views, rows, context.embedding_pool);
    context.metrics.Embedded(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  nlohmann::json data = nlohmann::json::array();
  int64_t num_tokens = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto row = std::span(rows).subspan(i * embedder.dim(), embedder.dim());
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", EmbeddingJson(row, base64)}});
    num_tokens += embedder.NumTokens(texts[i]);
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", fields.Text("model", context.model.id)},
          {"usage", {{"prompt_tokens", num_tokens}, {"total_tokens", num_tokens}}}};
}

}  // namespace

asio::awaitable<void> HandleEmbeddings(ServiceContext& context, Exchange& exchange) {
  const auto work = [&] { return DumpJson(Embed(context, exchange.request())); };
  HttpReply reply;
  reply.body = co_await OnWorker(context.workers, work);
  co_await exchange.Send(std::move(reply));
}

}  // namespace retro
