// Token by token: prompts in, texts out, streamed on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "datasets/tokenizer.h"
#include "model/decoder.h"
#include "model/retrieval.h"
#include "model/sampler.h"

namespace retro {

struct GenerationOptions {
  int64_t max_new_tokens = 256;                // fewer when the context is full before
  std::vector<TokenId> stop_tokens = {};       // usually StopTokens(tokenizer); none: generation ends by length only
  std::vector<std::string> stop_strings = {};  // text that ends a sequence; not returned
  SamplingOptions sampling = {};
  bool log_probs = false;  // of the chosen tokens, under the decoder's own distribution (before penalty and filters)
  int64_t context_len =
      0;  // most tokens of prompt and answer together; 0: config().context_len, which it may not exceed
  // Neighbours for chunked cross-attention; only with a decoder that has it. The chunks of a prompt are chunk_len
  // tokens long and end with its last token, so that the first one may be shorter: prompts need no padding (Wang et al.
  // 2023, arXiv 2304.06762, section 4.2.3). After it a chunk ends every `retrieval_step` tokens, of which the query
  // holds the last chunk_len. One call for the chunks of all prompts, then one for the sequences of a step whose chunk
  // ends.
  RetrieveFunction retrieve = {};
  int64_t retrieval_step = 0;  // from 1 to chunk_len; 0: chunk_len
};

enum class FinishReason {
  kStop,       // a stop token or a stop string
  kLength,     // max_new_tokens, or the context is full
  kCancelled,  // by the callback or by an interrupt (core/interrupt.h)
};
std::string_view FinishReasonName(FinishReason reason);  // "stop", "length", "cancelled"

struct Generation {
  // As chosen, without the stop token. Those of a stop string are among them, so they can say more than `text`.
  std::vector<TokenId> tokens;
  std::vector<float> log_probs;  // one for each of `tokens` when asked for
  std::string text;              // valid UTF-8, special tokens left out, without the stop string
  FinishReason finish_reason = FinishReason::kLength;
  int64_t prompt_tokens = 0;
};

// What one sequence gained in one step.
struct GenerationStep {
  size_t sequence = 0;    // index of its prompt
  std::string_view text;  // whole characters that are decided by now; empty while they are not. Valid during the call
  bool finished = false;  // the sequence's last step
};

// Called on the calling thread after each step of each sequence, in their order. False: this sequence ends here as
// kCancelled, before another token of it is computed.
using GenerationCallback = std::function<bool(const GenerationStep&)>;

// Continues each prompt. All prompts go through the decoder in one pass, then a token of every unfinished sequence at
// a time; sequences that finish leave the batch. A sequence's result depends on its own prompt, its index and the
// options only. An empty prompt becomes the tokenizer's beginning-of-sequence token.
// Throws Error(kInvalidArgument) on options that cannot be, on no prompts, on an empty prompt when the tokenizer has
// no such token, on retrieval with a decoder that takes no neighbours, and on a prompt longer than the context (naming
// both numbers).
std::vector<Generation> Generate(const Decoder& decoder, const Tokenizer& tokenizer,
                                 std::span<const std::vector<TokenId>> prompts, const GenerationOptions& options,
                                 ThreadPool& pool, const GenerationCallback& callback = {});

// The tokens that end a text or a chat turn in the vocabularies in use: the tokenizer's end-of-sequence token, and
// those of "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>" and "</s>" that are special in it.
std::vector<TokenId> StopTokens(const Tokenizer& tokenizer);

}  // namespace retro
