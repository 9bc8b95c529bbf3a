// Work that takes more than a moment, off the threads that serve connections.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace retro {

// Runs `work()` on a thread of the pool and gives back its result (or exception) where the caller runs. When the caller
// is cancelled meanwhile, the work still comes to its end first: it may refer to the caller's variables.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work>> OnWorker(boost::asio::thread_pool& pool, Work work) {
  namespace asio = boost::asio;
  constexpr bool kIsVoid = std::is_void_v<std::invoke_result_t<Work>>;
  using Result = std::optional<std::conditional_t<kIsVoid, bool, std::invoke_result_t<Work>>>;
  // Not co_spawn: it would pass the cancellation on to the pool's thread, where nobody catches what that throws.
  const auto start = [&pool, &work](auto handler) {
    asio::post(pool, [&work, handler = std::move(handler)]() mutable {
      std::exception_ptr error;
      Result result;
      try {
        if constexpr (kIsVoid) {
          work();
        } else {
          result.emplace(work());
        }
      } catch (...) {
        error = std::current_exception();
      }
      const auto executor = asio::get_associated_executor(handler);
      asio::post(executor, [handler = std::move(handler), error, result = std::move(result)]() mutable {
        std::move(handler)(error, std::move(result));
      });
    });
  };
  Result result = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, Result)>(
      start, asio::use_awaitable);
  if constexpr (!kIsVoid) co_return std::move(*result);
}

}  // namespace retro
