// From the engine's threads into a coroutine: what is pushed here wakes the one that waits.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace retro {

template <typename T>
class Mailbox : public std::enable_shared_from_this<Mailbox<T>> {
 public:
  // `executor`: that of the coroutine that waits; a strand.
  explicit Mailbox(const boost::asio::any_io_executor& executor) : executor_(executor), timer_(executor) {}

  // From any thread; does not block.
  void Push(T item) {
    {
      const std::lock_guard lock(mutex_);
      items_.push_back(std::move(item));
    }
    boost::asio::post(executor_, [self = this->shared_from_this()] { self->timer_.cancel(); });
  }

  // The next item; none when `patience` passed before one came. Throws when the waiting coroutine is cancelled.
  boost::asio::awaitable<std::optional<T>> Next(std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      std::optional<T> item = Take();
      if (item || std::chrono::steady_clock::now() >= deadline) co_return item;
      timer_.expires_at(deadline);
      // A Push between Take and here is told on the same strand, so after the wait has begun.
      co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
  }

 private:
  std::optional<T> Take() {
    const std::lock_guard lock(mutex_);
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  std::mutex mutex_;
  std::deque<T> items_;
};

}  // namespace retro
