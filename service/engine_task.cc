#include "service/engine_task.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "model/log_probs.h"

namespace retro {
namespace {

void CheckPrompt(std::span<const TokenId> prompt, const DecoderConfig& config, int64_t max_new_tokens) {
  for (const TokenId token : prompt) {
    if (token >= 0 && token < config.vocab_size) continue;
    Throw(ErrorCode::kInvalidArgument,
          "the prompt's token {} is outside the vocabulary of {}: was the text encoded by another tokenizer?", token,
          config.vocab_size);
  }
  if (max_new_tokens < 0) {
    Throw(ErrorCode::kInvalidArgument, "max_new_tokens is {}: it must be 0 (only the prompt) or more", max_new_tokens);
  }
  if (std::ssize(prompt) > config.context_len - (max_new_tokens > 0 ? 1 : 0)) {
    Throw(ErrorCode::kInvalidArgument,
          "the prompt has {} tokens, and the context holds {} with at least one new token among them: shorten it",
          prompt.size(), config.context_len);
  }
}

GenerationSequence MakeSequence(const Decoder& decoder, const Tokenizer& tokenizer, EngineRequest& request) {
  std::vector<TokenId> prompt = PromptOrBos(tokenizer, std::move(request.prompt));
  CheckPrompt(prompt, decoder.config(), request.max_new_tokens);
  request.max_new_tokens = std::min(request.max_new_tokens, decoder.config().context_len - std::ssize(prompt));
  const GenerationOptions options{
      .stop_tokens = request.stop_tokens, .stop_strings = request.stop_strings, .sampling = request.sampling};
  return {tokenizer, std::move(prompt), options, request.sample_index, request.max_new_tokens};
}

}  // namespace

EngineTask::EngineTask(const Decoder& decoder, const Tokenizer& tokenizer, EngineRequest moved_request,
                       std::function<void(const EngineEvent&)> on_event)
    : request(std::move(moved_request)),
      sequence(MakeSequence(decoder, tokenizer, request)),
      prefill_tokens_(sequence.prompt_tokens() - (request.max_new_tokens == 0 ? 1 : 0)),
      max_tokens_(sequence.prompt_tokens() + request.max_new_tokens),
      on_event_(std::move(on_event)) {
  if (request.top_log_probs < -1) {
    Throw(ErrorCode::kInvalidArgument, "top_log_probs is {}: it must be -1 (no log-probabilities) or more",
          request.top_log_probs);
  }
  if (request.retrieve) {
    retrieval_step = RetrievalStep(decoder, request.retrieval_step);
    stage = Stage::kRetrieving;
    chunk_ends = sequence.PromptChunkEnds(decoder.config().retro->chunk_len);
  }
  if (request.prompt_log_probs) {
    for (const TokenId token : sequence.context()) event.prompt.push_back({.token = token});
    event.prompt.front().log_prob = std::numeric_limits<float>::quiet_NaN();
  }
}

bool EngineTask::Tell() {
  const EngineEvent told = std::exchange(event, {});
  const std::lock_guard lock(mutex_);
  if (over_) return false;
  telling_ = true;
  try {
    on_event_(told);
  } catch (...) {
    // What the receiver cannot take is of no use to it: the others must not suffer.
    over_ = cancelled_ = true;
  }
  telling_ = false;
  over_ = over_ || told.finished;
  if (over_) on_event_ = nullptr;
  return !cancelled_;
}

bool EngineTask::Cancel() {
  std::function<void(const EngineEvent&)> released;
  const std::lock_guard lock(mutex_);
  if (over_) return false;
  over_ = cancelled_ = true;
  if (!telling_) released = std::exchange(on_event_, nullptr);
  return true;
}

bool EngineTask::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

TokenLogProb EngineTask::Describe(std::span<const float> logits, TokenId token) const {
  const RowLogProbs log_probs(logits);
  return {token, log_probs.Of(token), log_probs.Top(std::max(request.top_log_probs, 0))};
}

}  // namespace retro
