// The sequences of one request in the engine, and what they gain in the order in which it comes.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "service/engine.h"
#include "service/http/mailbox.h"
#include "service/http/service_context.h"

namespace retro {

struct SequenceEvent {
  size_t sequence = 0;  // as it was added
  EngineEvent event;
};

// Used by one coroutine. Destroyed, it cancels what is not finished.
class Sequences {
 public:
  // `param`: the field that the prompts come from, for errors.
  Sequences(ServiceContext& context, const boost::asio::any_io_executor& executor, std::string param);

  // Takes at most as many tokens as the context has room for. Throws as Engine::Submit does; what cannot be is an error
  // of the field.
  void Add(EngineRequest request);

  bool finished() const { return num_finished_ == sequences_.size(); }
  // None when nothing came for `patience`. Throws what a sequence failed with.
  boost::asio::awaitable<std::optional<SequenceEvent>> Next(std::chrono::milliseconds patience);

  int64_t prompt_tokens(size_t sequence) const { return sequences_[sequence].prompt_tokens; }
  int64_t generated_tokens() const;
  int64_t cached_prompt_tokens() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Sequence {
    std::unique_ptr<EngineTicket> ticket;
    Clock::time_point begin;
    int64_t prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0;
    bool began = false;
  };

  void Count(const SequenceEvent& next);

  ServiceContext& context_;
  std::string param_;
  std::shared_ptr<Mailbox<SequenceEvent>> mailbox_;
  std::vector<Sequence> sequences_;
  size_t num_finished_ = 0;
};

}  // namespace retro
