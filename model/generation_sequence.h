// One sequence on its way from prompt to answer: what a new token does to it. Generate() and the engine of the service
// share it, so that both give the same answers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"
#include "model/decoder.h"
#include "model/generator.h"
#include "model/generator_text.h"
#include "model/retrieval.h"
#include "model/sampler.h"
#include "model/stop_strings.h"

namespace retro {

// One thread at a time; `tokenizer` must outlive it.
class GenerationSequence {
 public:
  // `index` tells apart sequences that share a seed. Throws Error(kInvalidArgument) on sampling options and stop
  // strings that cannot be. REQUIRES: !prompt.empty()
  GenerationSequence(const Tokenizer& tokenizer, std::vector<TokenId> prompt, const GenerationOptions& options,
                     uint64_t index, int64_t max_new_tokens);

  // The next token, from the logits of the last one. Throws as Sampler::Sample does.
  TokenId Choose(std::span<const float> logits) { return sampler_.Sample(logits, context_); }

  struct Step {
    std::string text;                        // whole characters that are decided by now
    std::optional<FinishReason> finished{};  // the sequence's end; `text` then is all that was held back as well
    bool taken = true;                       // false: the token is a stop token and not part of the sequence
  };
  Step Take(TokenId token);

  // The end of a sequence that is not finished: what was held back.
  std::string Finish();

  const std::vector<TokenId>& context() const { return context_; }  // prompt and answer
  int64_t prompt_tokens() const { return prompt_tokens_; }
  int64_t new_tokens() const { return std::ssize(context_) - prompt_tokens_; }

  // Where the chunks of the prompt end whose neighbours are wanted; see GenerationOptions::retrieve.
  std::vector<int64_t> PromptChunkEnds(int64_t chunk_len) const;
  // Whether the last token ends a chunk of the answer.
  bool EndsChunk(int64_t retrieval_step) const { return new_tokens() % retrieval_step == 0; }
  // Valid until the next Take.
  RetrievalQuery Query(size_t sequence, int64_t end, int64_t chunk_len) const;

 private:
  Step End(FinishReason reason, std::string text);

  std::vector<TokenId> context_, stop_tokens_;
  int64_t prompt_tokens_, max_new_tokens_;
  Sampler sampler_;
  TokenText token_text_;
  StopStringFilter filter_;
};

// The prompt, or the beginning-of-sequence token in place of an empty one. Throws Error(kInvalidArgument) when the
// tokenizer has none.
std::vector<TokenId> PromptOrBos(const Tokenizer& tokenizer, std::vector<TokenId> prompt);

// Tokens between two chunks' ends; 0 means the decoder's chunk_len. Throws Error(kInvalidArgument) on another decoder
// than a RETRO one, and on a step that cannot be.
int64_t RetrievalStep(const Decoder& decoder, int64_t retrieval_step);

}  // namespace retro
