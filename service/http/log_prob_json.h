// Log-probabilities in the two shapes that OpenAI's API has for them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/generator_text.h"
#include "service/engine.h"

namespace retro {

// The texts of one sequence's tokens as it grows. One thread at a time; `tokenizer` must outlive it.
class TokenNames {
 public:
  // `before`: what stands before the first token pushed. `as_ids`: "token_id:123" in place of texts.
  TokenNames(const Tokenizer& tokenizer, std::span<const TokenId> before, bool as_ids);

  // Both for the place after the last token pushed. Text that is part of a character is written "bytes:\xe2\x82", and
  // a special token by the vocabulary's spelling.
  std::string NameOf(TokenId token) const;
  std::string BytesOf(TokenId token) const;
  void Push(TokenId token) { last_ = token; }

 private:
  const Tokenizer& tokenizer_;
  std::optional<TokenId> last_;
  bool as_ids_;
};

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}: of completions. One thread at a time; the tokenizer must
// outlive it.
class CompletionLogProbs {
 public:
  // `offset`: code points before the first token, whose text begins there. `num_top` 0: no alternatives.
  CompletionLogProbs(const Tokenizer& tokenizer, std::span<const TokenId> before, int num_top, bool as_ids,
                     int64_t offset);

  void Push(const TokenLogProb& entry);
  // Drops what begins after `length` code points: the tokens of a stop string.
  void CutAt(int64_t length);
  // What was pushed since the last call.
  nlohmann::json Take();

 private:
  struct Entry {
    std::string name;
    nlohmann::json log_prob, top;
    int64_t offset;
  };

  nlohmann::json TopOf(const TokenLogProb& entry) const;

  TokenNames names_;
  TokenText text_;
  std::string pending_;  // the beginning of a character
  int num_top_;
  int64_t offset_;
  std::vector<Entry> entries_;
};

// {"token", "logprob", "bytes", "top_logprobs": […]}: one entry of a chat's "content".
nlohmann::json ChatLogProb(const TokenLogProb& entry, const TokenNames& names);

}  // namespace retro
