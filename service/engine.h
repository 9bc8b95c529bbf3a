// One decoder shared by many requests: continuous batching. Requests join and leave between steps, prompts are computed
// in slices so that none stalls the others, and what a request gets does not depend on which others run beside it.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
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
  std::vector<TokenId> prompt;
  int64_t max_new_tokens = 256;  // 0: only the prompt's log-probabilities
  std::vector<TokenId> stop_tokens = {};
  std::vector<std::string> stop_strings = {};
  SamplingOptions sampling = {};
  uint64_t sample_index = 0;  // tells apart the answers of one request that share a seed
  int top_log_probs = -1;     // alternatives reported with each token; 0: only the chosen one's; -1: none at all
  bool prompt_log_probs = false;
  // As GenerationOptions has them. Called off the engine's thread, beside the decoding of the other requests.
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
  std::vector<TokenLogProb> prompt = {};  // once, before the first token, when asked for
  std::vector<TokenLogProb> tokens = {};  // log_prob is 0 when none were asked for
  std::string text = {};                  // whole characters that are decided by now
  bool finished = false;
  FinishReason finish_reason = FinishReason::kLength;
  std::exception_ptr error = {};     // with finished: the request failed, the others go on
  int64_t cached_prompt_tokens = 0;  // with the first event: taken from the prefix cache
};

struct EngineLimits {
  int max_sequences = 16;        // of one step
  int64_t cache_tokens = 65536;  // keys and values held by all running requests together
  int64_t prefill_slice = 256;   // prompt tokens of one step
  int64_t max_queued = 256;      // requests that wait
  int64_t max_queued_tokens = 1 << 20;
  int64_t prefix_cache_tokens = 8192;
};

struct EngineStats {
  int64_t running = 0, waiting = 0, waiting_tokens = 0;
  int64_t cached_tokens = 0, cache_capacity = 0;
  uint64_t prompt_tokens = 0, generation_tokens = 0, prefix_hits = 0, cancelled = 0;  // since the start
};

// A request that was taken. Destroying it cancels.
class EngineTicket {
 public:
  virtual ~EngineTicket() = default;
  // No event comes after it returns, unless called from within one. Safe from any thread.
  virtual void Cancel() = 0;
};

// Thread-safe.
class Engine {
 public:
  Engine(std::shared_ptr<const Decoder> decoder, std::shared_ptr<const Tokenizer> tokenizer, const EngineLimits& limits,
         size_t num_threads);
  // Cancels what runs.
  ~Engine();

  // `on_event` is called on the engine's thread and must not block. Throws Error(kInvalidArgument) on a request that
  // cannot be, Error(kUnavailable) when the queue is full.
  std::unique_ptr<EngineTicket> Submit(EngineRequest request, std::function<void(const EngineEvent&)> on_event);

  EngineStats Stats() const;
  const Decoder& decoder() const;
  const Tokenizer& tokenizer() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace retro
