// Threads that split one loop at a time between them. Made for loops from microseconds (one layer of one token) up:
// idle workers spin a moment before they sleep.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace retro {

// ParallelFor may be called from one thread at a time; the calling thread works too. Not reentrant.
class ThreadPool {
 public:
  // 0: as many as the processor has cores that this process may use.
  explicit ThreadPool(size_t num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t num_threads() const;

  // Calls body(index) for every index in [0, count), each once, on any thread, and returns when all are done. After an
  // exception no further index is begun; the first one is rethrown here when those at work have finished.
  void ParallelFor(size_t count, const std::function<void(size_t)>& body);

 private:
  struct State;

  void Stop();

  std::unique_ptr<State> state_;
};

// Cores that this process may run on (its affinity mask).
size_t AvailableCores();

}  // namespace retro
