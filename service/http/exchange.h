// One request and the way back to its client, for the handlers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "service/http/message.h"

namespace retro {

// To be used by the request's own coroutine. Writing waits for the client to take what came before, and throws when it
// is gone or too slow. Either Send once, or BeginStream, any number of Write, and EndStream.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const HttpRequest& request() const = 0;
  virtual boost::asio::awaitable<void> Send(HttpReply reply) = 0;
  virtual boost::asio::awaitable<void> BeginStream(std::string content_type) = 0;
  virtual boost::asio::awaitable<void> Write(std::string bytes) = 0;
  virtual boost::asio::awaitable<void> EndStream() = 0;
};

}  // namespace retro
