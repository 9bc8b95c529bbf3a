// A request inside the engine, from the queue to its last event.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "model/generation_sequence.h"
#include "service/engine.h"

namespace retro {

// Shared by the engine and the request's ticket. Everything belongs to the engine's thread but Tell, Cancel and
// cancelled, which are safe from any; while it waits for neighbours, the retrieval's thread may read it.
class EngineTask {
 public:
  enum class Stage { kRetrieving, kPrefilling, kDecoding };

  // Throws Error(kInvalidArgument) on a request that cannot be.
  EngineTask(const Decoder& decoder, const Tokenizer& tokenizer, EngineRequest request,
             std::function<void(const EngineEvent&)> on_event);

  // Tells what `event` holds, and empties it. False: the request was cancelled, and nothing is told any more.
  bool Tell();
  // False: it had been cancelled or had ended before.
  bool Cancel();
  bool cancelled() const;

  // Tokens that go through the decoder before the first new one is chosen, and at most at all.
  int64_t prefill_tokens() const { return prefill_tokens_; }
  int64_t max_tokens() const { return max_tokens_; }
  bool wants_log_probs() const { return request.top_log_probs >= 0; }
  // The log-probability of `token` and the alternatives that were asked for.
  TokenLogProb Describe(std::span<const float> logits, TokenId token) const;

  EngineRequest request;  // its prompt is moved to `sequence`
  int64_t retrieval_step = 0;
  GenerationSequence sequence;
  EngineEvent event;  // what is to be told next

  Stage stage = Stage::kPrefilling;
  int slot = -1;                    // sequence of the cache; -1: none
  std::vector<int64_t> chunk_ends;  // of the chunks whose neighbours it waits for
  std::optional<TokenLogProb> chosen;

 private:
  int64_t prefill_tokens_, max_tokens_;
  mutable std::recursive_mutex mutex_;  // held while an event is told, within which Cancel may be called
  std::function<void(const EngineEvent&)> on_event_;
  bool over_ = false, cancelled_ = false, telling_ = false;
};

}  // namespace retro
