#include "model/generation_sequence.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace retro {

GenerationSequence::GenerationSequence(const Tokenizer& tokenizer, std::vector<TokenId> prompt,
                                       const GenerationOptions& options, uint64_t index, int64_t max_new_tokens)
    : context_(std::move(prompt)),
      stop_tokens_(options.stop_tokens),
      prompt_tokens_(std::ssize(context_)),
      max_new_tokens_(max_new_tokens),
      sampler_(options.sampling, index),
      token_text_(tokenizer, context_),
      filter_(options.stop_strings) {}

GenerationSequence::Step GenerationSequence::Take(TokenId token) {
  if (std::ranges::find(stop_tokens_, token) != stop_tokens_.end()) {
    Step last = End(FinishReason::kStop, "");
    last.taken = false;
    return last;
  }
  context_.push_back(token);
  std::string text = filter_.Push(token_text_.Push(token));
  if (filter_.stopped()) return End(FinishReason::kStop, std::move(text));
  if (new_tokens() == max_new_tokens_) return End(FinishReason::kLength, std::move(text));
  return {.text = std::move(text)};
}

// What was held back may still hold a stop string, in characters that waited for a token of theirs.
std::string GenerationSequence::Finish() {
  std::string rest = filter_.Push(token_text_.Finish());
  return rest + filter_.Finish();
}

GenerationSequence::Step GenerationSequence::End(FinishReason reason, std::string text) {
  text += Finish();
  return {.text = std::move(text), .finished = filter_.stopped() ? FinishReason::kStop : reason};
}

std::vector<int64_t> GenerationSequence::PromptChunkEnds(int64_t chunk_len) const {
  std::vector<int64_t> ends;
  for (int64_t end = (prompt_tokens_ - 1) % chunk_len + 1; end <= prompt_tokens_; end += chunk_len) ends.push_back(end);
  return ends;
}

RetrievalQuery GenerationSequence::Query(size_t sequence, int64_t end, int64_t chunk_len) const {
  const int64_t length = std::min(end, chunk_len);
  return {sequence, end, std::span(context_).subspan(end - length, length)};
}

std::vector<TokenId> PromptOrBos(const Tokenizer& tokenizer, std::vector<TokenId> prompt) {
  if (!prompt.empty()) return prompt;
  const auto bos = tokenizer.special().bos;
  if (!bos) {
    Throw(ErrorCode::kInvalidArgument,
          "the prompt is empty, and the tokenizer has no beginning-of-sequence token to start from: give a prompt");
  }
  return {*bos};
}

int64_t RetrievalStep(const Decoder& decoder, int64_t retrieval_step) {
  CheckTakesNeighbours(decoder);
  const int64_t chunk_len = decoder.config().retro->chunk_len;
  if (retrieval_step < 0 || retrieval_step > chunk_len) {
    Throw(ErrorCode::kInvalidArgument,
          "retrieval_step is {}: it must be from 1 to the chunks' {} tokens, or 0 for that", retrieval_step, chunk_len);
  }
  return retrieval_step == 0 ? chunk_len : retrieval_step;
}

}  // namespace retro
