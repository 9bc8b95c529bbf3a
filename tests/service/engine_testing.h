// For the tests of the engine: what a request was told, gathered on another thread.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "service/engine.h"

namespace retro {

// Everything that the events of one request said.
struct Told {
  std::vector<TokenId> tokens;
  std::vector<float> log_probs;
  std::vector<TokenLogProb> prompt, described;
  std::optional<TokenLogProb> stop_token;
  std::string text;
  FinishReason finish_reason = FinishReason::kLength;
  std::exception_ptr error;
  int64_t cached_prompt_tokens = 0;
  int num_events = 0;
  bool finished = false;
};

// One request and its answer.
class Asked {
 public:
  using OnEvent = std::function<void(const EngineEvent&)>;

  // `on_event` is called before the event is taken down.
  Asked(Engine& engine, EngineRequest request, OnEvent on_event = {}) : shared_(std::make_shared<Shared>()) {
    ticket_ = engine.Submit(std::move(request), [shared = shared_, on_event](const EngineEvent& event) {
      if (on_event) on_event(event);
      shared->TakeDown(event);
    });
  }

  const Told& Wait() {
    std::unique_lock lock(shared_->mutex);
    shared_->done.wait(lock, [this] { return shared_->told.finished; });
    return shared_->told;
  }
  void WaitForEvents(int count) {
    std::unique_lock lock(shared_->mutex);
    shared_->done.wait(lock, [&] { return shared_->told.num_events >= count; });
  }
  Told SoFar() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->told;
  }
  EngineTicket& ticket() { return *ticket_; }

 private:
  struct Shared {
    std::mutex mutex;
    std::condition_variable done;
    Told told;

    void TakeDown(const EngineEvent& event) {
      const std::lock_guard lock(mutex);
      EXPECT_FALSE(told.finished) << "an event after the last one";
      for (const TokenLogProb& token : event.tokens) {
        told.tokens.push_back(token.token);
        told.log_probs.push_back(token.log_prob);
        told.described.push_back(token);
      }
      if (!event.prompt.empty()) {
        EXPECT_EQ(told.num_events, 0) << "the prompt comes with the first event";
        told.prompt = event.prompt;
      }
      told.stop_token = event.stop_token;
      told.text += event.text;
      told.cached_prompt_tokens += event.cached_prompt_tokens;
      told.finish_reason = event.finish_reason;
      told.error = event.error;
      told.finished = event.finished;
      ++told.num_events;
      done.notify_all();
    }
  };

  std::shared_ptr<Shared> shared_;
  std::unique_ptr<EngineTicket> ticket_;
};

// A door that stays shut until it is opened.
class Door {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace retro
