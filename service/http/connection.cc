#include "service/http/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "core/log.h"
#include "service/http/parse_request.h"
#include "service/http/reply_text.h"
#include "service/http/request_error.h"

namespace retro {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using asio::experimental::awaitable_operators::operator||;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
// What a client may send ahead while its request is at work; with more, its going away is seen only afterwards.
constexpr size_t kSentAhead = 65536;
// A reader of HTTP keeps a line until its end has come: without a limit, one without an end (of a chunk's size, or of
// the fields after the last chunk) would fill the memory.
constexpr size_t kBuffered = 2 * kSentAhead;
// Reading on for a moment after a refusal: a connection closed with bytes unread takes the reply with it.
constexpr size_t kLingerBytes = size_t{4} << 20;
constexpr std::chrono::seconds kLinger{2};

template <typename Stream>
class Connection final : public LiveConnection,
                         public Exchange,
                         public std::enable_shared_from_this<Connection<Stream>> {
 public:
  template <typename... Tls>
  Connection(tcp::socket socket, ConnectionContext& context, Tls&... tls)
      : context_(context),
        stream_(std::move(socket), tls...),
        limit_timer_(stream_.get_executor()),
        request_timer_(stream_.get_executor()) {
    context_.live->Add(this);
  }
  ~Connection() override { context_.live->Remove(this); }

  asio::awaitable<void> Serve() {
    boost::system::error_code ignored;
    lowest().set_option(tcp::no_delay(true), ignored);
    bool goes_on = co_await Handshake();
    while (goes_on) goes_on = co_await ServeOne();
    co_await Close();
  }

  void Drain() override {
    Post([](Connection& self) {
      if (!self.busy_) self.CancelWaiting();
    });
  }
  void Cut() override {
    Post([](Connection& self) {
      self.cut_ = true;
      if (self.busy_) {
        self.request_timer_.cancel();
      } else {
        self.CancelWaiting();
      }
    });
  }

  const HttpRequest& request() const override { return request_; }

  asio::awaitable<void> Send(HttpReply reply) override {
    status_ = reply.status;
    keeps_alive_ = keeps_alive_ && !context_.draining;
    std::string text = ReplyText(reply, Framing(), context_.application->ReplyHeaders(request_));
    co_await WriteAll(std::move(text));
  }

  asio::awaitable<void> BeginStream(std::string content_type) override {
    status_ = 200;
    streams_ = true;
    keeps_alive_ = keeps_alive_ && http_1_1_ && !context_.draining;
    std::string text = StreamHeaderText(content_type, Framing(), context_.application->ReplyHeaders(request_));
    co_await WriteAll(std::move(text));
  }

  asio::awaitable<void> Write(std::string bytes) override {
    if (bytes.empty()) co_return;
    std::string text = http_1_1_ ? ChunkText(bytes) : std::move(bytes);
    co_await WriteAll(std::move(text));
  }

  asio::awaitable<void> EndStream() override {
    std::string text = http_1_1_ ? "0\r\n\r\n" : "";
    co_await WriteAll(std::move(text));
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;

  // Whether `timer` or `socket`, the lowest layer's operations can be cancelled.
  tcp::socket& lowest() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  ReplyFraming Framing() const {
    return {.http_1_1 = http_1_1_, .keeps_alive = keeps_alive_, .without_body = request_.method == "HEAD"};
  }

  template <typename Action>
  void Post(Action action) {
    // Called with the list of connections locked, from which the destructor takes this one out first.
    std::weak_ptr<Connection> weak = this->weak_from_this();
    asio::post(stream_.get_executor(), [weak, action] {
      if (const auto self = weak.lock()) action(*self);
    });
  }

  // Ends what the socket waits for; one that is closed already waits for nothing.
  void CancelWaiting() {
    boost::system::error_code ignored;
    lowest().cancel(ignored);
  }

  // What the connection waits for now must come within `time`, or its operations are cancelled.
  void Limit(std::chrono::seconds time) {
    const uint64_t number = ++limit_number_;
    limit_timer_.expires_after(time);
    limit_timer_.async_wait([weak = this->weak_from_this(), number](boost::system::error_code error) {
      const auto self = weak.lock();
      if (error || !self || self->limit_number_ != number) return;
      self->limit_passed_ = true;
      self->CancelWaiting();
    });
  }
  void NoLimit() {
    ++limit_number_;
    limit_timer_.cancel();
  }

  asio::awaitable<bool> Handshake() {
    if constexpr (kTls) {
      Limit(context_.limits.header);
      const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kTuple);
      NoLimit();
      co_return !error;
    }
    co_return true;
  }

  // Whether another request may follow.
  asio::awaitable<bool> ServeOne() {
    if (buffer_.size() == 0) {
      const bool some = co_await ReadSome(context_.limits.idle);
      if (!some) co_return false;
    }
    busy_ = true;
    request_ = {};
    status_ = 0;
    streams_ = torn_ = limit_passed_ = false;
    http_1_1_ = true;
    keeps_alive_ = false;
    http::request_parser<http::string_body> parser;
    std::exception_ptr refusal = co_await ReadRequest(parser);
    if (gone_) co_return false;
    if (refusal) {
      keeps_alive_ = parser.is_done() && parser.keep_alive() && HasPlainFraming(parser.get());
      co_await Refuse(refusal);
      if (!keeps_alive_) co_await Linger();
    } else {
      co_await Answer();
    }
    busy_ = false;
    co_return keeps_alive_ && !torn_ && !input_ended_ && !context_.draining;
  }

  asio::awaitable<bool> ReadSome(std::chrono::seconds time) {
    if (context_.draining || cut_) co_return false;
    Limit(time);
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kTuple);
    NoLimit();
    buffer_.commit(size);
    co_return !error;
  }

  // Fills request_; what is wrong with it, if anything. Sets gone_ when the client does not wait for an answer.
  asio::awaitable<std::exception_ptr> ReadRequest(http::request_parser<http::string_body>& parser) {
    parser.header_limit(static_cast<std::uint32_t>(context_.limits.header_bytes));
    parser.body_limit(context_.limits.body_bytes);
    Limit(context_.limits.header);
    const auto [header_error, header_size] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
    NoLimit();
    if (header_error) co_return WhyUnread(header_error);
    std::exception_ptr refusal;
    try {
      http_1_1_ = parser.get().version() >= 11;
      TakeHeader(parser.get(), context_.limits, request_);
      request_.client = PeerAddress();
      context_.application->Admit(request_);
    } catch (...) {
      refusal = std::current_exception();
    }
    if (refusal) co_return refusal;
    if (ExpectsContinue(parser.get())) co_await WriteAll("HTTP/1.1 100 Continue\r\n\r\n");
    ChunkCounter chunks(context_.limits.body_chunks);
    parser.on_chunk_header(chunks.callback());
    Limit(context_.limits.body);
    const auto [body_error, body_size] = co_await http::async_read(stream_, buffer_, parser, kTuple);
    NoLimit();
    if (body_error) co_return WhyUnread(body_error);
    request_.body = std::move(parser.get().body());
    keeps_alive_ = parser.keep_alive();
    co_return nullptr;
  }

  std::exception_ptr WhyUnread(boost::system::error_code error) {
    if (limit_passed_) {
      limit_passed_ = false;
      return std::make_exception_ptr(RequestError(408, "the request did not come in time"));
    }
    const std::exception_ptr refusal = DescribeReadError(error, context_.limits);
    gone_ = refusal == nullptr;
    return refusal;
  }

  std::string PeerAddress() {
    boost::system::error_code error;
    const tcp::endpoint peer = lowest().remote_endpoint(error);
    return error ? std::string() : peer.address().to_string();
  }

  // Handles the request while watching the client and the time.
  asio::awaitable<void> Answer() {
    const auto begin = std::chrono::steady_clock::now();
    std::exception_ptr failure;
    const auto first = co_await (Handle(failure) || WatchClient() || WaitForTimeLimit());
    auto end = Application::End::kDone;
    if (first.index() == 1 || torn_) end = Application::End::kClientGone;
    if (first.index() == 2 && !torn_) end = Application::End::kTimeLimit;
    if (end == Application::End::kTimeLimit) {
      failure =
          std::make_exception_ptr(RequestError(503, cut_ ? "the server is stopping" : "the request took too long"));
    }
    if (end == Application::End::kClientGone) {
      keeps_alive_ = false;
    } else if (failure) {
      co_await Refuse(failure);
    }
    context_.application->Ended(request_, status_, std::chrono::steady_clock::now() - begin, end);
  }

  // Catches: with the operator || a coroutine that throws does not end the others.
  asio::awaitable<void> Handle(std::exception_ptr& failure) {
    try {
      co_await context_.application->Handle(*this);
    } catch (...) {
      failure = std::current_exception();
    }
  }

  // Ends when the client is gone. What it sends ahead is kept for the next request.
  asio::awaitable<void> WatchClient() {
    while (buffer_.size() < kSentAhead) {
      const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kTuple);
      buffer_.commit(size);
      if (error) {
        input_ended_ = error != asio::error::operation_aborted;
        co_return;
      }
    }
    asio::steady_timer never(stream_.get_executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(kTuple);
  }

  asio::awaitable<void> WaitForTimeLimit() {
    request_timer_.expires_after(cut_ ? std::chrono::seconds(0) : context_.limits.request);
    co_await request_timer_.async_wait(kTuple);
  }

  // Tells the client of an error, as far as it can still be told.
  asio::awaitable<void> Refuse(std::exception_ptr failure) {
    if (torn_) co_return;
    try {
      if (streams_) {
        const ErrorAnswer answer = DescribeError(failure, request_.id);
        std::string event = ErrorEventText(answer);
        co_await Write(std::move(event));
        co_await EndStream();
      } else if (status_ == 0) {
        HttpReply reply = ErrorReply(failure, request_.id);
        co_await Send(std::move(reply));
      }
    } catch (const boost::system::system_error&) {
      torn_ = true;
    }
  }

  // Throws system_error when the client is gone, or does not read for too long.
  asio::awaitable<void> WriteAll(std::string bytes) {
    torn_ = true;
    Limit(context_.limits.write_stall);
    const auto [error, size] = co_await asio::async_write(stream_, asio::buffer(bytes), kTuple);
    NoLimit();
    if (error) throw boost::system::system_error(error);
    torn_ = false;
  }

  asio::awaitable<void> Linger() {
    boost::system::error_code ignored;
    lowest().shutdown(tcp::socket::shutdown_send, ignored);
    Limit(kLinger);
    buffer_.clear();
    for (size_t total = 0; total < kLingerBytes && !limit_passed_;) {
      const auto [error, size] = co_await lowest().async_read_some(buffer_.prepare(65536), kTuple);
      if (error) break;
      total += size;
    }
    NoLimit();
  }

  asio::awaitable<void> Close() {
    if constexpr (kTls) {
      if (!torn_ && !gone_) {
        Limit(kLinger);
        co_await stream_.async_shutdown(kTuple);
        NoLimit();
      }
    }
    boost::system::error_code ignored;
    lowest().shutdown(tcp::socket::shutdown_both, ignored);
    lowest().close(ignored);
    co_return;
  }

  ConnectionContext& context_;
  Stream stream_;
  boost::beast::flat_buffer buffer_{kBuffered};
  asio::steady_timer limit_timer_, request_timer_;
  uint64_t limit_number_ = 0;
  bool limit_passed_ = false;
  HttpRequest request_;
  int status_ = 0;  // of the reply; 0: none has begun
  bool busy_ = false, cut_ = false, gone_ = false;
  bool http_1_1_ = true, keeps_alive_ = false, streams_ = false;
  bool torn_ = false;  // something was written in part
  // The client has closed, perhaps only after its reply. Asio tells that once: a further read would wait in vain.
  bool input_ended_ = false;
};

template <typename Stream, typename... Tls>
void Start(tcp::socket socket, ConnectionContext& context, Tls&... tls) {
  const auto executor = socket.get_executor();
  auto connection = std::make_shared<Connection<Stream>>(std::move(socket), context, tls...);
  asio::co_spawn(executor, connection->Serve(), [connection](std::exception_ptr error) {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const boost::system::system_error&) {
      // The client went away.
    } catch (const std::exception& unforeseen) {
      spdlog::error("a connection ended: {}", unforeseen.what());
    }
  });
}

}  // namespace

void StartConnection(tcp::socket socket, ConnectionContext& context) {
  if (context.tls != nullptr) return Start<asio::ssl::stream<tcp::socket>>(std::move(socket), context, *context.tls);
  Start<tcp::socket>(std::move(socket), context);
}

}  // namespace retro
