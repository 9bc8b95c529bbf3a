// What a request's header says, looked over before anything acts on it.
#pragma once

#include <boost/beast/http.hpp>
#include <functional>
#include <string>

#include "service/http/http_options.h"
#include "service/http/message.h"

namespace retro {

using RequestHeader = boost::beast::http::request_header<>;

// Whether all who read the header agree on where the body ends: it has no Transfer-Encoding, or "chunked" alone, once,
// by HTTP/1.1. After another (RFC 9112, sections 6.1 and 6.3) what follows may be a part of the body, and is never
// read.
bool HasPlainFraming(const RequestHeader& header);

// Sets everything of `request` but the body and the client. Throws RequestError on too many fields, a framing that is
// not plain, and a target that cannot be one.
void TakeHeader(const RequestHeader& header, const HttpLimits& limits, HttpRequest& request);

bool ExpectsContinue(const RequestHeader& header);

// What the client is told when its request could not be read; null: it is gone.
std::exception_ptr DescribeReadError(boost::system::error_code error, const HttpLimits& limits);

// Ends bodies of very many small chunks. Must outlive the parser's reading.
class ChunkCounter {
 public:
  using Callback = std::function<void(std::uint64_t, boost::beast::string_view, boost::system::error_code&)>;
  explicit ChunkCounter(int most);
  Callback& callback() { return callback_; }

 private:
  int left_;
  Callback callback_;
};

// "%2F" as "/"; throws RequestError(400) on a broken escape.
std::string PercentDecode(std::string_view text);

}  // namespace retro
