// One loop at a time is published in `ticket`: the loop's generation in the upper half, the next index in the lower.
// Workers take an index by compare-and-swap, which fails once the generation has moved on; so a loop ends when its
// indices are done, and a worker that sleeps or is held up by the system is never waited for.
#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"

namespace retro {

namespace {

using Body = std::function<void(size_t)>;

constexpr auto kSpinTime = std::chrono::microseconds(50);
constexpr uint64_t kClosed = std::numeric_limits<uint32_t>::max();  // an index that no loop reaches

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits a short while for `ready`; false when it did not come true, and sleeping is due.
template <typename Ready>
bool SpinUntil(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

uint64_t GenerationOf(uint64_t ticket) { return ticket >> 32; }
uint64_t IndexOf(uint64_t ticket) { return ticket & kClosed; }

}  // namespace

struct ThreadPool::State {
  // On cache lines of their own: all three are written by every thread.
  alignas(64) std::atomic<uint64_t> ticket{kClosed};
  alignas(64) std::atomic<uint64_t> num_done{0};
  alignas(64) std::atomic<bool> failed{false};

  // The loop of the ticket's generation; written only while the ticket is closed.
  alignas(64) std::atomic<const Body*> body{nullptr};
  std::atomic<uint64_t> count{0};

  std::atomic<bool> busy{false};
  std::atomic<bool> stopping{false};
  std::atomic<int> num_sleeping{0};
  std::atomic<bool> caller_sleeps{false};
  std::mutex mutex;
  std::condition_variable work, done;
  std::exception_ptr error;  // guarded by mutex
  std::vector<std::thread> workers;

  bool HasWork(uint64_t seen) const { return GenerationOf(ticket.load()) != seen || stopping.load(); }

  void RunBody(const Body& loop, size_t index) noexcept {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      loop(index);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      failed.store(true, std::memory_order_relaxed);
    }
  }

  // Works on the open loop until no index is left. Returns the generation that it saw.
  uint64_t Work() {
    uint64_t current = ticket.load(std::memory_order_acquire);
    const uint64_t generation = GenerationOf(current);
    const Body* loop = body.load(std::memory_order_acquire);
    const uint64_t total = count.load(std::memory_order_acquire);
    uint64_t mine = 0;
    // `loop` and `total` may already be those of a later generation; then the ticket has changed and the swap fails.
    while (GenerationOf(current) == generation && IndexOf(current) < total) {
      if (!ticket.compare_exchange_weak(current, current + 1, std::memory_order_acq_rel)) continue;
      RunBody(*loop, IndexOf(current));
      ++mine;
      current = ticket.load(std::memory_order_acquire);
    }
    if (mine > 0 && num_done.fetch_add(mine) + mine == total && caller_sleeps.load()) {
      const std::lock_guard lock(mutex);
      done.notify_one();
    }
    return generation;
  }

  void WorkerLoop() {
    uint64_t seen = 0;
    for (;;) {
      if (!SpinUntil([&] { return HasWork(seen); })) {
        std::unique_lock lock(mutex);
        num_sleeping.fetch_add(1);
        work.wait(lock, [&] { return HasWork(seen); });
        num_sleeping.fetch_sub(1);
      }
      if (stopping.load()) return;
      seen = Work();
    }
  }

  void Publish(const Body& loop, size_t total) {
    const uint64_t generation = GenerationOf(ticket.load()) + 1;
    ticket.store(GenerationOf(ticket.load()) << 32 | kClosed);
    failed.store(false, std::memory_order_relaxed);
    num_done.store(0);
    body.store(&loop, std::memory_order_release);
    count.store(total, std::memory_order_release);
    ticket.store(generation << 32);
    // A worker counts itself as sleeping before it looks at the ticket a last time, so one of the two is seen.
    if (num_sleeping.load() > 0) {
      const std::lock_guard lock(mutex);
      work.notify_all();
    }
  }

  void WaitUntilDone(size_t total) {
    const auto finished = [&] { return num_done.load() == total; };
    if (SpinUntil(finished)) return;
    std::unique_lock lock(mutex);
    caller_sleeps.store(true);
    done.wait(lock, finished);
    caller_sleeps.store(false);
  }

  void RethrowError() {
    if (!failed.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex);
    std::rethrow_exception(std::exchange(error, nullptr));
  }
};

ThreadPool::ThreadPool(size_t num_threads) : state_(std::make_unique<State>()) {
  if (num_threads == 0) num_threads = AvailableCores();
  try {
    for (size_t i = 1; i < num_threads; ++i)
      state_->workers.emplace_back([state = state_.get()] { state->WorkerLoop(); });
  } catch (const std::system_error& error) {
    Stop();
    Throw(ErrorCode::kUnavailable, "cannot start {} threads: {}; ask for fewer", num_threads, error.what());
  }
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping.store(true);
    state_->work.notify_all();
  }
  for (std::thread& worker : state_->workers) worker.join();
}

size_t ThreadPool::num_threads() const { return state_->workers.size() + 1; }

void ThreadPool::ParallelFor(size_t count, const std::function<void(size_t)>& body) {
  if (count >= kClosed) Throw(ErrorCode::kInternal, "a loop of {} is too long; give each index more work", count);
  if (state_->workers.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) body(i);
    return;
  }
  if (state_->busy.exchange(true)) Throw(ErrorCode::kInternal, "ParallelFor inside or beside another on one pool");
  state_->Publish(body, count);
  state_->Work();
  state_->WaitUntilDone(count);
  state_->busy.store(false);
  state_->RethrowError();
}

size_t AvailableCores() {
  // The kernel refuses a mask that is smaller than its own, which may be longer than cpu_set_t.
  for (size_t bits = 1024; bits <= size_t{1} << 20; bits *= 2) {
    std::vector<unsigned long> mask(bits / (8 * sizeof(unsigned long)));
    const size_t bytes = mask.size() * sizeof(unsigned long);
    if (::sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t*>(mask.data())) == 0) {
      return static_cast<size_t>(std::max(1, CPU_COUNT_S(bytes, reinterpret_cast<cpu_set_t*>(mask.data()))));
    }
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace retro
