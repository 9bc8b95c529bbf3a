// Work that takes more than a moment, off the threads that serve connections.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace retro {

// Runs `work()` on a thread of the pool and gives back its result (or exception) where the caller runs. When the caller
// is cancelled meanwhile, the work still comes to its end first: it may refer to the caller's variables.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work>> OnWorker(boost::asio::thread_pool& pool, Work work) {
  using Result = std::invoke_result_t<Work>;
  auto run = [&work]() -> boost::asio::awaitable<Result> { co_return work(); };
  co_return co_await boost::asio::co_spawn(pool, std::move(run), boost::asio::use_awaitable);
}

}  // namespace retro
