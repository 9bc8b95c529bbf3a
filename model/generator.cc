#include "model/generator.h"

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/thread_pool.h"
#include "model/generator_text.h"
#include "model/sampler_softmax.h"
#include "model/stop_strings.h"

namespace retro {
namespace {

// What one prompt has become so far.
struct Sequence {
  Sequence(const Tokenizer& tokenizer, std::vector<TokenId> prompt, const GenerationOptions& options, size_t index)
      : context(std::move(prompt)),
        sampler(options.sampling, index),
        token_text(tokenizer, context),
        filter(options.stop_strings) {
    result.prompt_tokens = static_cast<int64_t>(context.size());
  }

  std::vector<TokenId> context;  // prompt and answer
  Sampler sampler;
  TokenText token_text;
  StopStringFilter filter;
  Generation result;
  TokenId chosen = 0;
  float chosen_log_prob = 0;
  int64_t max_new_tokens = 0;
};

class Run {
 public:
  Run(const Decoder& decoder, const Tokenizer& tokenizer, const GenerationOptions& options, ThreadPool& pool,
      const GenerationCallback& callback)
      : decoder_(decoder), tokenizer_(tokenizer), options_(options), pool_(pool), callback_(callback) {
    context_len_ = ContextLen();
    if (options.retrieve) retrieval_step_ = RetrievalStep();
    if (options.max_new_tokens < 1) {
      Throw(ErrorCode::kInvalidArgument, "max_new_tokens is {}: it must be at least 1", options.max_new_tokens);
    }
  }

  std::vector<Generation> Generate(std::span<const std::vector<TokenId>> prompts) {
    Start(prompts);
    std::vector<SequenceInput> inputs;
    for (size_t i = 0; i < sequences_.size(); ++i) inputs.push_back({static_cast<int>(i), sequences_[i]->context});
    if (options_.retrieve) RetrieveForPrompts();
    while (!active_.empty() && !CancelIfInterrupted()) {
      decoder_.Forward(*cache_, inputs, LogitsFor::kLastToken, logits_, pool_);
      Choose();
      std::erase_if(active_, [this](size_t index) { return Take(index); });
      if (options_.retrieve) RetrieveForStep();
      inputs.clear();
      for (const size_t index : active_) {
        inputs.push_back({static_cast<int>(index), std::span(sequences_[index]->context).last(1)});
      }
    }
    std::vector<Generation> results;
    for (auto& sequence : sequences_) results.push_back(std::move(sequence->result));
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

  int64_t RetrievalStep() const {
    CheckTakesNeighbours(decoder_);
    const int64_t chunk_len = decoder_.config().retro->chunk_len;
    if (options_.retrieval_step < 0 || options_.retrieval_step > chunk_len) {
      Throw(ErrorCode::kInvalidArgument,
            "retrieval_step is {}: it must be from 1 to the chunks' {} tokens, or 0 for that", options_.retrieval_step,
            chunk_len);
    }
    return options_.retrieval_step == 0 ? chunk_len : options_.retrieval_step;
  }

  void Start(std::span<const std::vector<TokenId>> prompts) {
    if (prompts.empty()) Throw(ErrorCode::kInvalidArgument, "there is no prompt to continue");
    int64_t capacity = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      std::vector<TokenId> prompt = PromptOrBos(prompts[i]);
      const int64_t left = context_len_ - static_cast<int64_t>(prompt.size());
      if (left < 1) {
        Throw(ErrorCode::kInvalidArgument,
              "prompt {} has {} tokens, and the context holds {} with at least one new token among them: shorten it", i,
              prompt.size(), context_len_);
      }
      const int64_t max_new_tokens = std::min(options_.max_new_tokens, left);
      capacity = std::max(capacity, static_cast<int64_t>(prompt.size()) + max_new_tokens);
      sequences_.push_back(std::make_unique<Sequence>(tokenizer_, std::move(prompt), options_, i));
      sequences_.back()->max_new_tokens = max_new_tokens;
      active_.push_back(i);
    }
    cache_ = decoder_.NewCache(static_cast<int>(prompts.size()), capacity);
  }

  std::vector<TokenId> PromptOrBos(const std::vector<TokenId>& prompt) const {
    if (!prompt.empty()) return prompt;
    const auto bos = tokenizer_.special().bos;
    if (!bos) {
      Throw(ErrorCode::kInvalidArgument,
            "the prompt is empty, and the tokenizer has no beginning-of-sequence token to start from: give a prompt");
    }
    return {*bos};
  }

  void RetrieveForPrompts() {
    const int64_t chunk_len = decoder_.config().retro->chunk_len;
    for (const size_t index : active_) {
      const int64_t length = sequences_[index]->result.prompt_tokens;
      for (int64_t end = (length - 1) % chunk_len + 1; end <= length; end += chunk_len) AddQuery(index, end);
    }
    Retrieve();
  }

  // For the sequences whose last token, which is not through the decoder yet, ends a chunk.
  void RetrieveForStep() {
    for (const size_t index : active_) {
      const Sequence& sequence = *sequences_[index];
      if (sequence.result.tokens.size() % retrieval_step_ == 0) AddQuery(index, std::ssize(sequence.context));
    }
    Retrieve();
  }

  void AddQuery(size_t index, int64_t end) {
    const int64_t length = std::min(end, decoder_.config().retro->chunk_len);
    queries_.push_back({index, end, std::span(sequences_[index]->context).subspan(end - length, length)});
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
      Sequence& sequence = *sequences_[active_[row]];
      const auto logits = std::span(logits_).subspan(row * vocab_size, vocab_size);
      sequence.chosen = sequence.sampler.Sample(logits, sequence.context);
      if (options_.log_probs) {
        sequence.chosen_log_prob = static_cast<float>(logits[sequence.chosen] - LogSumExp(logits));
      }
    });
  }

  // Adds the chosen token to its sequence and tells the callback; true when the sequence has ended.
  bool Take(size_t index) {
    Sequence& sequence = *sequences_[index];
    Generation& result = sequence.result;
    if (std::ranges::find(options_.stop_tokens, sequence.chosen) != options_.stop_tokens.end()) {
      return End(index, FinishReason::kStop, "");
    }
    sequence.context.push_back(sequence.chosen);
    result.tokens.push_back(sequence.chosen);
    if (options_.log_probs) result.log_probs.push_back(sequence.chosen_log_prob);
    const std::string text = sequence.filter.Push(sequence.token_text.Push(sequence.chosen));
    if (sequence.filter.stopped()) return End(index, FinishReason::kStop, text);
    if (static_cast<int64_t>(result.tokens.size()) == sequence.max_new_tokens) {
      return End(index, FinishReason::kLength, text);
    }
    result.text += text;
    if (!callback_ || callback_({index, text, false})) return false;
    result.text += Rest(sequence);
    result.finish_reason = FinishReason::kCancelled;
    return true;
  }

  // What was held back. It may still hold a stop string, in characters that waited for a token of theirs.
  static std::string Rest(Sequence& sequence) {
    std::string rest = sequence.filter.Push(sequence.token_text.Finish());
    return rest + sequence.filter.Finish();
  }

  bool End(size_t index, FinishReason reason, const std::string& last_text) {
    Sequence& sequence = *sequences_[index];
    const std::string text = last_text + Rest(sequence);
    sequence.result.text += text;
    sequence.result.finish_reason = sequence.filter.stopped() ? FinishReason::kStop : reason;
    if (callback_ && !callback_({index, text, true})) sequence.result.finish_reason = FinishReason::kCancelled;
    return true;
  }

  bool CancelIfInterrupted() {
    if (!Interrupted()) return false;
    for (const size_t index : active_) End(index, FinishReason::kCancelled, "");
    return true;
  }

  const Decoder& decoder_;
  const Tokenizer& tokenizer_;
  const GenerationOptions& options_;
  ThreadPool& pool_;
  const GenerationCallback& callback_;
  int64_t context_len_ = 0, retrieval_step_ = 0;
  std::vector<RetrievalQuery> queries_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
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
