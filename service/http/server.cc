#include "service/http/server.h"

#include <sys/resource.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "service/http/connection.h"
#include "service/http/router.h"

namespace retro {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr int kBacklog = 4096;
// After Drain's time is over: for cut connections to tell their clients so.
constexpr std::chrono::seconds kCutTime{5};

// Each connection is a descriptor; the soft limit is often a thousand.
void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::unique_ptr<asio::ssl::context> MakeTls(const HttpOptions& options) {
  if (options.tls_certificate.empty()) return nullptr;
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  try {
    tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                     asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
    tls->use_certificate_chain_file(options.tls_certificate);
    tls->use_private_key_file(options.tls_key, asio::ssl::context::pem);
  } catch (const boost::system::system_error& error) {
    Throw(ErrorCode::kIo,
          "cannot use the certificate {} with the key {}: {}; both must be PEM files that belong together",
          options.tls_certificate, options.tls_key, error.what());
  }
  return tls;
}

tcp::acceptor Listen(asio::io_context& io, const HttpOptions& options) {
  tcp::acceptor acceptor(io);
  try {
    const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
    const tcp::endpoint endpoint(asio::ip::make_address(host), options.port);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen(kBacklog);
  } catch (const boost::system::system_error& error) {
    Throw(ErrorCode::kIo, "cannot listen on {} port {}: {}; choose another --host or --port", options.host,
          options.port, error.code().message());
  }
  return acceptor;
}

asio::awaitable<void> Accept(tcp::acceptor& acceptor, asio::io_context& io, ConnectionContext& context) {
  asio::steady_timer pause(io);
  while (acceptor.is_open()) {
    auto [error, socket] = co_await acceptor.async_accept(asio::make_strand(io), kTuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors: a moment later some may be free again.
      spdlog::warn("cannot take a connection: {}", error.message());
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(kTuple);
      continue;
    }
    if (context.live->size() >= static_cast<size_t>(context.limits.connections)) continue;
    StartConnection(std::move(socket), context);
  }
}

}  // namespace

// The order of destruction matters: connections' coroutines end with `io`, and refer to all before it.
struct HttpServer::State {
  State(const HttpOptions& options, ServedModel model)
      : tls(MakeTls(options)),
        router(options, std::move(model)),
        io(static_cast<int>(options.io_threads)),
        acceptor(Listen(io, options)),
        endpoint(acceptor.local_endpoint()) {
    context.limits = options.limits;
    context.application = &router;
    context.live = &live;
    context.tls = tls.get();
  }

  void Run(size_t num_threads) {
    asio::co_spawn(acceptor.get_executor(), Accept(acceptor, io, context), asio::detached);
    for (size_t i = 0; i < num_threads; ++i) threads.emplace_back([this] { io.run(); });
  }

  void StopAccepting() {
    asio::post(acceptor.get_executor(), [this] {
      boost::system::error_code ignored;
      acceptor.close(ignored);
    });
  }

  std::unique_ptr<asio::ssl::context> tls;
  Router router;
  LiveConnections live;
  ConnectionContext context;
  asio::io_context io;
  tcp::acceptor acceptor;
  tcp::endpoint endpoint;  // also when the acceptor is closed
  std::vector<std::thread> threads;
};

HttpServer::HttpServer(const HttpOptions& options, ServedModel model) {
  options.Validate();
  RaiseDescriptorLimit();
  state_ = std::make_unique<State>(options, std::move(model));
  state_->Run(options.io_threads);
}

HttpServer::~HttpServer() {
  state_->context.draining = true;
  state_->StopAccepting();
  state_->live.CutAll();
  state_->live.DrainAll();
  state_->live.WaitUntilNone(kCutTime);
  state_->router.JoinWorkers();
  state_->io.stop();
  for (std::thread& thread : state_->threads) thread.join();
}

uint16_t HttpServer::port() const { return state_->endpoint.port(); }

std::string HttpServer::url() const {
  const tcp::endpoint& endpoint = state_->endpoint;
  const std::string host = endpoint.address().to_string();
  return fmt::format("{}://{}:{}", state_->tls ? "https" : "http", endpoint.address().is_v6() ? "[" + host + "]" : host,
                     endpoint.port());
}

void HttpServer::Drain() {
  state_->context.draining = true;
  state_->router.SetReady(false);
  state_->StopAccepting();
  state_->live.DrainAll();
  if (state_->live.WaitUntilNone(state_->context.limits.drain)) return;
  spdlog::warn("{} connections are cut off", state_->live.size());
  state_->live.CutAll();
  state_->live.WaitUntilNone(kCutTime);
}

}  // namespace retro
