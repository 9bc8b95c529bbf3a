// The usual reply.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json.hpp>

#include "service/http/exchange.h"
#include "service/http/sse.h"

namespace retro {

// `json` must outlive the call.
inline boost::asio::awaitable<void> SendJson(Exchange& exchange, const nlohmann::json& json) {
  HttpReply reply;
  reply.body = DumpJson(json);
  co_await exchange.Send(std::move(reply));
}

}  // namespace retro
