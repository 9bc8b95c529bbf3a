// Fetches neighbours for the engine's requests on a thread of its own, one request after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "model/retrieval.h"
#include "service/engine_task.h"

namespace retro {

class RetrievalWorker {
 public:
  struct Result {
    std::shared_ptr<EngineTask> task;
    std::vector<ChunkNeighbours> neighbours;  // of task->chunk_ends
    std::exception_ptr error;                 // instead
  };

  // `on_result` is called on the worker's thread.
  RetrievalWorker(int64_t chunk_len, std::function<void(Result)> on_result);
  // Waits for the call that is under way; what has not begun is dropped.
  ~RetrievalWorker();

  // For the chunks in task->chunk_ends. The task's sequence must not change until its result is there.
  void Start(std::shared_ptr<EngineTask> task);

 private:
  void Run();
  Result Retrieve(std::shared_ptr<EngineTask> task) const;

  int64_t chunk_len_;
  std::function<void(Result)> on_result_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<EngineTask>> tasks_;  // guarded by mutex_
  bool stopping_ = false;                          // likewise
  std::thread thread_;
};

}  // namespace retro
