// The end of connections, with an application of the test's own that holds them where it wants.
#include "service/http/connection.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <future>
#include <thread>

#include "tests/testing/http_client.h"

namespace retro {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Replies, and goes on with the connection's strand in its hands until `before_end` returns.
class HeldApplication final : public Application {
 public:
  explicit HeldApplication(std::function<void()> before_end) : before_end_(std::move(before_end)) {}

  void Admit(HttpRequest&) override {}
  asio::awaitable<void> Handle(Exchange& exchange) override {
    HttpReply reply;
    reply.body = "{}";
    co_await exchange.Send(std::move(reply));
    before_end_();
  }
  std::vector<std::pair<std::string, std::string>> ReplyHeaders(const HttpRequest&) const override { return {}; }
  void Ended(const HttpRequest&, int, std::chrono::duration<double>, End) override {}

 private:
  std::function<void()> before_end_;
};

// One connection, served by two threads.
class ConnectionTest : public testing::Test {
 protected:
  ConnectionTest() {
    context_.application = &application_;
    context_.live = &live_;
    context_.limits.idle = std::chrono::hours(1);
    context_.limits.request = std::chrono::hours(1);
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { io_.run(); });
  }
  ~ConnectionTest() override {
    live_.CutAll();
    live_.DrainAll();
    EXPECT_TRUE(live_.WaitUntilNone(kLong));
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
  }

  // A client of a connection that is served.
  std::unique_ptr<HttpClient> Connect() {
    tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    auto client = std::make_unique<HttpClient>(acceptor.local_endpoint().port());
    tcp::socket socket(asio::make_strand(io_));
    acceptor.accept(socket);
    StartConnection(std::move(socket), context_);
    return client;
  }

  // Returns when everything that had happened to the sockets before the call has come to those who wait for it. Each
  // round goes once through the scheduler's queue, in which the look at the sockets has its place.
  void LetSocketsBeSeen() {
    for (int round = 0; round < 10; ++round) {
      std::promise<void> passed;
      asio::post(io_, [&] { passed.set_value(); });
      passed.get_future().wait();
    }
  }

  static constexpr std::chrono::seconds kLong{20};

  asio::io_context io_{2};
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::promise<void> client_closed_;
  HeldApplication application_{[this] {
    client_closed_.get_future().wait();
    LetSocketsBeSeen();
  }};
  LiveConnections live_;
  ConnectionContext context_;
  std::vector<std::thread> threads_;
};

// Its going away is seen and its request comes to its end at the same time: the second must not cover the first.
TEST_F(ConnectionTest, OfAClientThatClosesRightAfterItsReplyIsClosed) {
  auto client = Connect();
  EXPECT_EQ(client->Call("GET", "/").status, 200);
  client.reset();
  client_closed_.set_value();
  EXPECT_TRUE(live_.WaitUntilNone(kLong));
}

TEST_F(ConnectionTest, IsClosedRightAfterItsReplyWhenTheClientWantsThat) {
  client_closed_.set_value();
  const auto client = Connect();
  EXPECT_EQ(client->Call("GET", "/", "", "Connection: close\r\n").status, 200);
  EXPECT_TRUE(client->AtEnd());
  EXPECT_TRUE(live_.WaitUntilNone(kLong));
}

TEST_F(ConnectionTest, OfAClientThatStaysIsKept) {
  client_closed_.set_value();
  const auto client = Connect();
  EXPECT_EQ(client->Call("GET", "/").status, 200);
  LetSocketsBeSeen();
  EXPECT_EQ(live_.size(), 1u);
}

}  // namespace
}  // namespace retro
