// The training sequences of a corpus: its documents' tokens one after the other, cut every seq_len tokens. A sequence
// and its chunks may cross documents (docs/glossary.md, "sequence chunk").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datasets/corpus.h"

namespace retro {

// The first and the last document that a range of tokens touches.
struct DocumentRange {
  DocumentIndex first, last;
};

// Const methods are safe from many threads. The corpus must live as long.
class TokenSequences {
 public:
  // Throws Error(kInvalidArgument) when seq_len is 0 and when the corpus has fewer than seq_len + 1 tokens (naming both
  // numbers).
  TokenSequences(const Corpus& corpus, uint32_t seq_len);

  uint32_t seq_len() const { return seq_len_; }
  // Every sequence has a token after it to predict; what is left at the corpus' end is not part of any.
  uint64_t num_sequences() const { return (num_tokens() - 1) / seq_len_; }
  uint64_t num_tokens() const { return ends_.back(); }  // of the whole corpus
  // Sequence i and the token that follows it. REQUIRES: i < num_sequences(), out.size() == seq_len() + 1
  void Read(uint64_t i, std::span<TokenId> out) const { ReadTokens(i * seq_len_, out); }
  // Tokens [begin, begin + out.size()) of the row of all. REQUIRES: begin + out.size() <= num_tokens()
  void ReadTokens(uint64_t begin, std::span<TokenId> out) const;
  // The documents that the tokens of Read(i) come from. REQUIRES: i < num_sequences()
  DocumentRange Documents(uint64_t i) const;

 private:
  uint64_t DocumentAt(uint64_t token) const;

  const Corpus& corpus_;
  uint32_t seq_len_;
  std::vector<uint64_t> ends_;  // for each document, where its tokens end in the row of all
};

}  // namespace retro
