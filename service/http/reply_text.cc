#include "service/http/reply_text.h"

#include <boost/beast/http/status.hpp>

#include "service/http/request_error.h"
#include "service/http/sse.h"

namespace retro {
namespace {

std::string HeadText(int status, const ReplyFraming& framing, const ReplyHeaders& headers, const ReplyHeaders& more) {
  const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  std::string text =
      fmt::format("HTTP/1.{} {} {}\r\nConnection: {}\r\nX-Content-Type-Options: nosniff\r\n", framing.http_1_1 ? 1 : 0,
                  status, std::string_view(reason.data(), reason.size()), framing.keeps_alive ? "keep-alive" : "close");
  for (const auto* list : {&headers, &more}) {
    for (const auto& [name, value] : *list) text += fmt::format("{}: {}\r\n", name, value);
  }
  return text;
}

}  // namespace

std::string ReplyText(const HttpReply& reply, const ReplyFraming& framing, const ReplyHeaders& more) {
  std::string text = HeadText(reply.status, framing, reply.headers, more);
  if (!reply.content_type.empty()) text += fmt::format("Content-Type: {}\r\n", reply.content_type);
  if (reply.status != 204 && reply.status != 304) text += fmt::format("Content-Length: {}\r\n", reply.body.size());
  text += "\r\n";
  if (!framing.without_body) text += reply.body;
  return text;
}

std::string StreamHeaderText(std::string_view content_type, const ReplyFraming& framing, const ReplyHeaders& more) {
  // Proxies such as nginx hold back what they buffer; a stream is to be seen as it comes.
  std::string text = HeadText(200, framing, {{"X-Accel-Buffering", "no"}, {"Cache-Control", "no-store"}}, more);
  text +=
      fmt::format("Content-Type: {}\r\n{}\r\n", content_type, framing.http_1_1 ? "Transfer-Encoding: chunked\r\n" : "");
  return text;
}

std::string ChunkText(std::string_view bytes) { return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes); }

std::string ErrorEventText(const ErrorAnswer& answer) { return SseEvent("error", answer.body); }

}  // namespace retro
