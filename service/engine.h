// One decoder shared by many requests: continuous batching. Requests join and leave between steps, prompts are computed
// in slices so that none stalls the others, and what a request gets does not depend on which others run beside it.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"
#include "model/decoder.h"
#include "model/generator.h"
#include "model/retrieval.h"

namespace retro {

struct EngineRequest {
  std::vector<TokenId> prompt;   // empty: the tokenizer's beginning-of-sequence token
  int64_t max_new_tokens = 256;  // 0: only the prompt's log-probabilities
  std::vector<TokenId> stop_tokens = {};
  std::vector<std::string> stop_strings = {};
  SamplingOptions sampling = {};
  uint64_t sample_index = 0;  // tells apart the answers of one request that share a seed
  int top_log_probs = -1;     // alternatives reported with each token; 0: only the chosen one's; -1: none at all
  bool prompt_log_probs = false;
  bool adapted = true;  // false: from the model without the decoder's adapter
  // As GenerationOptions has them; queries have sequence 0. Called off the engine's thread, beside the decoding of the
  // other requests and for one request at a time; a call that is under way when its request is cancelled ends later.
  RetrieveFunction retrieve = {};
  int64_t retrieval_step = 0;
};

struct TokenLogProb {
  TokenId token;
  float log_prob = 0;                               // NaN: the prompt's first token
  std::vector<std::pair<TokenId, float>> top = {};  // most probable first
};

// What a request gained since the event before it.
struct EngineEvent {
  std::vector<TokenLogProb> prompt = {};        // once, before the first token, when asked for
  std::vector<TokenLogProb> tokens = {};        // without the stop token; log_prob is 0 when none were asked for
  std::optional<TokenLogProb> stop_token = {};  // with finished: the one that ended the answer
  std::string text = {};                        // whole characters that are decided by now
  bool finished = false;
  FinishReason finish_reason = FinishReason::kLength;  // kCancelled: the engine was destroyed
  std::exception_ptr error = {};                       // with finished: the request failed, the others go on
  int64_t cached_prompt_tokens = 0;                    // with the first event: taken from the prefix cache
};

struct EngineLimits {
  int max_sequences = 16;  // of one step
  // Keys and values held by all running requests together. A request begins when there is room for its prompt and all
  // of its max_new_tokens, in the order of arrival, so that none ends for want of memory.
  int64_t cache_tokens = 65536;
  int64_t prefill_slice = 256;          // prompt tokens of one step
  int64_t max_queued = 256;             // requests that wait
  int64_t max_queued_tokens = 1 << 20;  // of their prompts
  // Tokens of ended requests that are kept, beside cache_tokens: a prompt that begins like one of them, or like a
  // running one, need not compute what they share. The least recently used go first. 0: none are kept.
  int64_t prefix_cache_tokens = 8192;
};

struct EngineStats {
  int64_t running = 0, waiting = 0, waiting_tokens = 0;
  int64_t cached_tokens = 0, cache_capacity = 0;  // taken by running requests, of EngineLimits::cache_tokens
  int64_t prefix_tokens = 0;                      // kept of ended ones
  // Since the start. Prompt tokens include those from the prefix cache.
  uint64_t prompt_tokens = 0, cached_prompt_tokens = 0, generation_tokens = 0, prefix_hits = 0, cancelled = 0;
};

// A request that was taken. Destroying it cancels. May outlive the engine.
class EngineTicket {
 public:
  virtual ~EngineTicket() = default;
  // No event comes after it returns, unless called from within one. Safe from any thread.
  virtual void Cancel() = 0;
};

// Thread-safe. A request's answer is that of Generate() for it alone, to the last bit, and its log-probabilities are
// those of ScoreTokens().
class Engine {
 public:
  // Throws Error(kInvalidArgument) on limits that cannot be. `num_threads`: that compute, the engine's own among them;
  // 0: as many as there are cores.
  Engine(std::shared_ptr<const Decoder> decoder, std::shared_ptr<const Tokenizer> tokenizer, const EngineLimits& limits,
         size_t num_threads);
  // Ends what runs and waits: each gets a last event with kCancelled. Not to be called from within an event.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // `on_event` is called on the engine's thread, perhaps before this returns, and must not block; if it throws, the
  // request is cancelled. It is let go of after the last event or Cancel. Throws Error(kInvalidArgument) on a request
  // that cannot be (too long for the context or for cache_tokens, say), Error(kUnavailable) when the queue is full.
  std::unique_ptr<EngineTicket> Submit(EngineRequest request, std::function<void(const EngineEvent&)> on_event);

  EngineStats Stats() const;
  const Decoder& decoder() const;
  const Tokenizer& tokenizer() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // tickets know it too, while it lasts
};

}  // namespace retro
