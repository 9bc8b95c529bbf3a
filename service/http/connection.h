// One client's connection: requests read off it within limits, handed to the application, answered in order.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "service/http/exchange.h"
#include "service/http/http_options.h"

namespace retro {

// What the requests are for. Thread-safe.
class Application {
 public:
  virtual ~Application() = default;
  // Before the body is read: sets request.client. Throws what the client is to be told: not here, not allowed.
  virtual void Admit(HttpRequest& request) = 0;
  // On the connection's strand; must not block. What it throws before it began to send becomes the reply, later the
  // stream's last event. Cancelled when the client is gone or the time is over.
  virtual boost::asio::awaitable<void> Handle(Exchange& exchange) = 0;
  // Headers for every reply to the request.
  virtual std::vector<std::pair<std::string, std::string>> ReplyHeaders(const HttpRequest& request) const = 0;
  enum class End { kDone, kClientGone, kTimeLimit };
  virtual void Ended(const HttpRequest& request, int status, std::chrono::duration<double> time, End end) = 0;
};

// From any thread.
class LiveConnection {
 public:
  virtual ~LiveConnection() = default;
  virtual void Drain() = 0;  // ends after the request at work, at once when there is none
  virtual void Cut() = 0;    // ends now, telling the client of an error where one waits
};

// The connections that there are. Thread-safe.
class LiveConnections {
 public:
  void Add(LiveConnection* connection);
  void Remove(LiveConnection* connection);
  void DrainAll();
  void CutAll();
  size_t size() const;
  // Waits until there are none, or until the time is over; whether there are none.
  bool WaitUntilNone(std::chrono::milliseconds time);

 private:
  mutable std::mutex mutex_;
  std::condition_variable none_;
  std::set<LiveConnection*> connections_;
};

// What all connections share; outlives them.
struct ConnectionContext {
  HttpLimits limits;
  Application* application = nullptr;
  LiveConnections* live = nullptr;
  boost::asio::ssl::context* tls = nullptr;  // null: plain
  std::atomic<bool> draining{false};
};

// Serves the connection to its end, on the socket's executor (a strand).
void StartConnection(boost::asio::ip::tcp::socket socket, ConnectionContext& context);

}  // namespace retro
