// Replies as the bytes that go over the wire.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "service/http/message.h"

namespace retro {

struct ErrorAnswer;

struct ReplyFraming {
  bool http_1_1 = true;
  bool keeps_alive = false;
  bool without_body = false;  // HEAD
};

using ReplyHeaders = std::vector<std::pair<std::string, std::string>>;

// Head and body. `more`: headers besides the reply's own.
std::string ReplyText(const HttpReply& reply, const ReplyFraming& framing, const ReplyHeaders& more);

// The head of a reply whose length is not known: chunked, or for HTTP/1.0 up to the connection's end.
std::string StreamHeaderText(std::string_view content_type, const ReplyFraming& framing, const ReplyHeaders& more);
std::string ChunkText(std::string_view bytes);

// The last event of a stream that failed. OpenAI's clients look at its data, whatever the name.
std::string ErrorEventText(const ErrorAnswer& answer);

}  // namespace retro
