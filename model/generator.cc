#include "model/generator.h"

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "model/generation_sequence.h"
#include "model/log_probs.h"

namespace retro {
namespace {

// What one prompt has become so far.
struct Answer {
  GenerationSequence sequence;
  Generation result = {};
  TokenId chosen = 0;
  float chosen_log_prob = 0;
};

class Run {
 public:
  Run(const Decoder& decoder, const Tokenizer& tokenizer, const GenerationOptions& options, ThreadPool& pool,
      const GenerationCallback& callback)
      : decoder_(decoder), tokenizer_(tokenizer), options_(options), pool_(pool), callback_(callback) {
    context_len_ = ContextLen();
    if (options.retrieve) retrieval_step_ = RetrievalStep(decoder, options.retrieval_step);
    if (options.max_new_tokens < 1) {
      Throw(ErrorCode::kInvalidArgument, "max_new_tokens is {}: it must be at least 1", options.max_new_tokens);
    }
  }

  std::vector<Generation> Generate(std::span<const std::vector<TokenId>> prompts) {
    Start(prompts);
    std::vector<SequenceInput> inputs;
    for (const size_t index : active_) inputs.push_back({static_cast<int>(index), answers_[index].sequence.context()});
    if (options_.retrieve) RetrieveForPrompts();
    while (!active_.empty() && !CancelIfInterrupted()) {
      decoder_.Forward(*cache_, inputs, LogitsFor::kLastToken, logits_, pool_);
      Choose();
      std::erase_if(active_, [this](size_t index) { return Take(index); });
      if (options_.retrieve) RetrieveForStep();
      inputs.clear();
      for (const size_t index : active_) {
        inputs.push_back({static_cast<int>(index), std::span(answers_[index].sequence.context()).last(1)});
      }
    }
    std::vector<Generation> results;
    for (Answer& answer : answers_) {
      const auto& sequence = answer.sequence;
      answer.result.tokens.assign(sequence.context().begin() + sequence.prompt_tokens(), sequence.context().end());
      results.push_back(std::move(answer.result));
    }
    return results;
  }

 private:
  int64_t ContextLen() const {
    const int64_t most = decoder_.config().context_len;
    if (options_.context_len < 0 || options_.context_len > most) {
      Throw(ErrorCode::kInvalidArgument, "context_len is {}: it must be from 1 to the decoder's {}, or 0 for that",
            options_.context_len, most);
    }
    return options_.context_len == 0 ? most : options_.context_len;
  }

  void Start(std::span<const std::vector<TokenId>> prompts) {
    if (prompts.empty()) Throw(ErrorCode::kInvalidArgument, "there is no prompt to continue");
    int64_t capacity = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      std::vector<TokenId> prompt = PromptOrBos(tokenizer_, prompts[i]);
      const int64_t left = context_len_ - static_cast<int64_t>(prompt.size());
      if (left < 1) {
        Throw(ErrorCode::kInvalidArgument,
              "prompt {} has {} tokens, and the context holds {} with at least one new token among them: shorten it", i,
              prompt.size(), context_len_);
      }
      const int64_t max_new_tokens = std::min(options_.max_new_tokens, left);
      capacity = std::max(capacity, static_cast<int64_t>(prompt.size()) + max_new_tokens);
      answers_.push_back({GenerationSequence(tokenizer_, std::move(prompt), options_, i, max_new_tokens)});
      answers_.back().result.prompt_tokens = answers_.back().sequence.prompt_tokens();
      active_.push_back(i);
    }
    cache_ = decoder_.NewCache(static_cast<int>(prompts.size()), capacity);
  }

  void RetrieveForPrompts() {
    for (const size_t index : active_) {
      for (const int64_t end : answers_[index].sequence.PromptChunkEnds(chunk_len())) AddQuery(index, end);
    }
    Retrieve();
  }

  // For the sequences whose last token, which is not through the decoder yet, ends a chunk.
  void RetrieveForStep() {
    for (const size_t index : active_) {
      const GenerationSequence& sequence = answers_[index].sequence;
      if (sequence.EndsChunk(retrieval_step_)) AddQuery(index, std::ssize(sequence.context()));
    }
    Retrieve();
  }

  void AddQuery(size_t index, int64_t end) {
    queries_.push_back(answers_[index].sequence.Query(index, end, chunk_len()));
  }

  void Retrieve() {
    if (queries_.empty()) return;
    const auto results = CallRetrieve(options_.retrieve, queries_);
    for (size_t i = 0; i < queries_.size(); ++i) {
      decoder_.SetNeighbours(*cache_, static_cast<int>(queries_[i].sequence), queries_[i].end, results[i]);
    }
    queries_.clear();
  }

  // The next token of every active sequence, from its row of logits.
  void Choose() {
    const size_t vocab_size = logits_.size() / active_.size();
    pool_.ParallelFor(active_.size(), [&](size_t row) {
      Answer& answer = answers_[active_[row]];
      const auto logits = std::span(logits_).subspan(row * vocab_size, vocab_size);
      answer.chosen = answer.sequence.Choose(logits);
      if (options_.log_probs) answer.chosen_log_prob = RowLogProbs(logits).Of(answer.chosen);
    });
  }

  // Adds the chosen token to its sequence and tells the callback; true when the sequence has ended.
  bool Take(size_t index) {
    Answer& answer = answers_[index];
    Generation& result = answer.result;
    const GenerationSequence::Step step = answer.sequence.Take(answer.chosen);
    if (step.taken && options_.log_probs) result.log_probs.push_back(answer.chosen_log_prob);
    if (step.finished) return End(index, *step.finished, step.text);
    result.text += step.text;
    if (!callback_ || callback_({index, step.text, false})) return false;
    result.text += answer.sequence.Finish();
    result.finish_reason = FinishReason::kCancelled;
    return true;
  }

  bool End(size_t index, FinishReason reason, const std::string& text) {
    Generation& result = answers_[index].result;
    result.text += text;
    result.finish_reason = reason;
    if (callback_ && !callback_({index, text, true})) result.finish_reason = FinishReason::kCancelled;
    return true;
  }

  bool CancelIfInterrupted() {
    if (!Interrupted()) return false;
    for (const size_t index : active_) End(index, FinishReason::kCancelled, answers_[index].sequence.Finish());
    return true;
  }

  int64_t chunk_len() const { return decoder_.config().retro->chunk_len; }

  const Decoder& decoder_;
  const Tokenizer& tokenizer_;
  const GenerationOptions& options_;
  ThreadPool& pool_;
  const GenerationCallback& callback_;
  int64_t context_len_ = 0, retrieval_step_ = 0;
  std::vector<RetrievalQuery> queries_;
  std::vector<Answer> answers_;
  std::vector<size_t> active_;  // not finished, in order
  std::unique_ptr<KvCache> cache_;
  std::vector<float> logits_;  // [active, vocab_size]
};

}  // namespace

std::string_view FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::vector<Generation> Generate(const Decoder& decoder, const Tokenizer& tokenizer,
                                 std::span<const std::vector<TokenId>> prompts, const GenerationOptions& options,
                                 ThreadPool& pool, const GenerationCallback& callback) {
  return Run(decoder, tokenizer, options, pool, callback).Generate(prompts);
}

std::vector<TokenId> StopTokens(const Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  if (tokenizer.special().eos) tokens.push_back(*tokenizer.special().eos);
  for (const char* spelling : {"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>"}) {
    const auto token = tokenizer.Find(spelling);
    if (token && tokenizer.IsSpecial(*token) && std::ranges::find(tokens, *token) == tokens.end()) {
      tokens.push_back(*token);
    }
  }
  return tokens;
}

}  // namespace retro
