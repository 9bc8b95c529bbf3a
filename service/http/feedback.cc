#include <fcntl.h>

#include "core/descriptor.h"
#include "service/http/body_fields.h"
#include "service/http/generation_fields.h"
#include "service/http/handlers.h"
#include "service/http/request_error.h"
#include "service/http/send_json.h"
#include "service/http/workers.h"

namespace retro {
namespace {

namespace asio = boost::asio;

constexpr size_t kMostIdBytes = 200, kMostCommentBytes = 10000;

std::string BoundedText(const BodyFields& fields, const char* field, size_t most) {
  std::string text = fields.Text(field, "");
  if (text.size() > most) RefuseField(field, "{} has {} bytes: at most {} are kept", field, text.size(), most);
  return text;
}

nlohmann::json ReadFeedback(const ServiceContext& context, const HttpRequest& request) {
  const nlohmann::json body = ParseBody(request, context.limits.json_depth);
  const BodyFields fields(body);
  fields.RequiredText("answer_id");
  fields.RequiredText("vote");
  nlohmann::json line = {{"time", UnixSeconds()},
                         {"answer_id", BoundedText(fields, "answer_id", kMostIdBytes)},
                         {"vote", fields.Choice("vote", "", {"up", "down"})},
                         {"comment", BoundedText(fields, "comment", kMostCommentBytes)},
                         {"passage", nullptr}};
  if (fields.Has("passage")) line["passage"] = BoundedText(fields, "passage", kMostIdBytes);
  return line;
}

// On the disk before the client is told so.
void AppendLine(const std::string& path, const std::string& line) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.number() < 0) ThrowErrno(errno, "open", path);
  file.WriteAll(std::as_bytes(std::span(line)), path);
  file.Sync(path);
}

}  // namespace

asio::awaitable<void> HandleFeedback(ServiceContext& context, Exchange& exchange) {
  const auto work = [&] {
    const nlohmann::json line = ReadFeedback(context, exchange.request());
    if (context.model.feedback_file.empty()) {
      throw RequestError(403, "the server was started without a file for feedback");
    }
    const std::lock_guard lock(context.feedback_mutex);
    AppendLine(context.model.feedback_file, DumpJson(line) + "\n");
  };
  co_await OnWorker(context.workers, work);
  const nlohmann::json json = {{"ok", true}};
  co_await SendJson(exchange, json);
}

}  // namespace retro
