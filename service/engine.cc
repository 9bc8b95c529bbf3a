#include "service/engine.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.h"
#include "service/engine_task.h"
#include "service/retrieval_worker.h"
#include "service/running_batch.h"

namespace retro {
namespace {

void CheckLimits(const EngineLimits& limits) {
  const auto check = [](int64_t value, int64_t least, const char* name) {
    if (value < least) Throw(ErrorCode::kInvalidArgument, "{} is {}: it must be at least {}", name, value, least);
  };
  check(limits.max_sequences, 1, "max_sequences");
  check(limits.cache_tokens, 1, "cache_tokens");
  check(limits.prefill_slice, 1, "prefill_slice");
  check(limits.max_queued, 1, "max_queued");
  check(limits.max_queued_tokens, 1, "max_queued_tokens");
  check(limits.prefix_cache_tokens, 0, "prefix_cache_tokens");
}

}  // namespace

struct Engine::State {
  using Task = RunningBatch::Task;

  State(std::shared_ptr<const Decoder> own_decoder, std::shared_ptr<const Tokenizer> own_tokenizer,
        const EngineLimits& own_limits, size_t num_threads)
      : decoder(std::move(own_decoder)),
        tokenizer(std::move(own_tokenizer)),
        limits(own_limits),
        batch(*decoder, limits, num_threads, [this](Task task) { worker->Start(std::move(task)); }) {
    batch.FillStats(stats);
    if (!decoder->config().retro) return;
    worker.emplace(decoder->config().retro->chunk_len, [this](RetrievalWorker::Result result) {
      const std::lock_guard lock(mutex);
      results.push_back(std::move(result));
      wake.notify_one();
    });
  }

  void Run();
  // Takes what has come since the last step. False: the engine ends.
  bool TakeNews();
  void AdmitWaiting();
  void EndAll();
  void Enqueue(Task task);
  void Cancel(EngineTask& task);

  const std::shared_ptr<const Decoder> decoder;
  const std::shared_ptr<const Tokenizer> tokenizer;
  const EngineLimits limits;
  RunningBatch batch;  // of the engine's thread

  std::mutex mutex;  // guards what follows, up to the threads
  std::condition_variable wake;
  std::deque<Task> waiting;
  std::vector<RetrievalWorker::Result> results;
  EngineStats stats;
  bool cancelled_some = false, stopping = false;

  std::optional<RetrievalWorker> worker;
  std::thread thread;
};

void Engine::State::Run() {
  while (TakeNews()) {
    if (batch.CanStep()) batch.Step();
    {
      const std::lock_guard lock(mutex);
      batch.FillStats(stats);
    }
    batch.TellNews();
  }
  worker.reset();
  EndAll();
}

bool Engine::State::TakeNews() {
  std::vector<RetrievalWorker::Result> arrived;
  bool drop = false;
  {
    std::unique_lock lock(mutex);
    const auto can_admit = [this] { return !waiting.empty() && batch.HasRoomFor(*waiting.front()); };
    wake.wait(lock, [&] { return stopping || cancelled_some || !results.empty() || can_admit() || batch.CanStep(); });
    if (stopping) return false;
    arrived = std::exchange(results, {});
    drop = std::exchange(cancelled_some, false);
  }
  if (drop) batch.DropCancelled();
  for (const auto& result : arrived) batch.GiveNeighbours(result.task, result.neighbours, result.error);
  AdmitWaiting();
  return true;
}

void Engine::State::AdmitWaiting() {
  for (;;) {
    Task task;
    {
      const std::lock_guard lock(mutex);
      if (waiting.empty() || !batch.HasRoomFor(*waiting.front())) return batch.FillStats(stats);
      task = std::move(waiting.front());
      waiting.pop_front();
      --stats.waiting;
      stats.waiting_tokens -= task->sequence.prompt_tokens();
    }
    if (!task->cancelled()) batch.Add(std::move(task));
  }
}

void Engine::State::EndAll() {
  batch.EndAll();
  std::deque<Task> left;
  {
    const std::lock_guard lock(mutex);
    left = std::exchange(waiting, {});
  }
  for (const Task& task : left) {
    task->event = {.finished = true, .finish_reason = FinishReason::kCancelled};
    task->Tell();
  }
}

void Engine::State::Enqueue(Task task) {
  const std::lock_guard lock(mutex);
  if (stopping) Throw(ErrorCode::kUnavailable, "the engine is shutting down");
  const int64_t tokens = task->sequence.prompt_tokens();
  if (stats.waiting >= limits.max_queued || stats.waiting_tokens + tokens > limits.max_queued_tokens) {
    Throw(ErrorCode::kUnavailable, "{} requests with {} prompt tokens wait already: try again later", stats.waiting,
          stats.waiting_tokens);
  }
  waiting.push_back(std::move(task));
  ++stats.waiting;
  stats.waiting_tokens += tokens;
  wake.notify_one();
}

void Engine::State::Cancel(EngineTask& task) {
  const std::lock_guard lock(mutex);
  ++stats.cancelled;
  cancelled_some = true;
  const auto place = std::ranges::find(waiting, &task, &Task::get);
  if (place != waiting.end()) {
    --stats.waiting;
    stats.waiting_tokens -= task.sequence.prompt_tokens();
    waiting.erase(place);
  }
  wake.notify_one();
}

namespace {

class Ticket final : public EngineTicket {
 public:
  Ticket(std::shared_ptr<EngineTask> task, std::function<void(EngineTask&)> on_cancel)
      : task_(std::move(task)), on_cancel_(std::move(on_cancel)) {}
  ~Ticket() override { Cancel(); }
  void Cancel() override {
    if (task_->Cancel()) on_cancel_(*task_);
  }

 private:
  std::shared_ptr<EngineTask> task_;
  std::function<void(EngineTask&)> on_cancel_;
};

}  // namespace

Engine::Engine(std::shared_ptr<const Decoder> decoder, std::shared_ptr<const Tokenizer> tokenizer,
               const EngineLimits& limits, size_t num_threads) {
  CheckLimits(limits);
  state_ = std::make_shared<State>(std::move(decoder), std::move(tokenizer), limits, num_threads);
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  state_->thread.join();
}

std::unique_ptr<EngineTicket> Engine::Submit(EngineRequest request, std::function<void(const EngineEvent&)> on_event) {
  auto task =
      std::make_shared<EngineTask>(*state_->decoder, *state_->tokenizer, std::move(request), std::move(on_event));
  if (task->max_tokens() > state_->limits.cache_tokens) {
    Throw(ErrorCode::kInvalidArgument,
          "a prompt of {} tokens and {} new ones exceed the engine's cache of {} tokens: ask for fewer",
          task->sequence.prompt_tokens(), task->request.max_new_tokens, state_->limits.cache_tokens);
  }
  state_->Enqueue(task);
  return std::make_unique<Ticket>(std::move(task), [state = std::weak_ptr(state_)](EngineTask& cancelled) {
    if (const auto alive = state.lock()) alive->Cancel(cancelled);
  });
}

EngineStats Engine::Stats() const {
  const std::lock_guard lock(state_->mutex);
  return state_->stats;
}

const Decoder& Engine::decoder() const { return *state_->decoder; }
const Tokenizer& Engine::tokenizer() const { return *state_->tokenizer; }

}  // namespace retro
