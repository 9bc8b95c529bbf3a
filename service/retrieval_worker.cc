#include "service/retrieval_worker.h"

#include <utility>

namespace retro {

RetrievalWorker::RetrievalWorker(int64_t chunk_len, std::function<void(Result)> on_result)
    : chunk_len_(chunk_len), on_result_(std::move(on_result)), thread_([this] { Run(); }) {}

RetrievalWorker::~RetrievalWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void RetrievalWorker::Start(std::shared_ptr<EngineTask> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void RetrievalWorker::Run() {
  for (;;) {
    std::shared_ptr<EngineTask> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    if (!task->cancelled()) on_result_(Retrieve(std::move(task)));
  }
}

RetrievalWorker::Result RetrievalWorker::Retrieve(std::shared_ptr<EngineTask> task) const {
  Result result{.task = std::move(task), .neighbours = {}, .error = {}};
  try {
    std::vector<RetrievalQuery> queries;
    for (const int64_t end : result.task->chunk_ends) {
      queries.push_back(result.task->sequence.Query(0, end, chunk_len_));
    }
    result.neighbours = CallRetrieve(result.task->request.retrieve, queries);
  } catch (...) {
    result.error = std::current_exception();
  }
  return result;
}

}  // namespace retro
