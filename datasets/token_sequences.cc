#include "datasets/token_sequences.h"

#include <algorithm>

#include "core/error.h"

namespace retro {

TokenSequences::TokenSequences(const Corpus& corpus, uint32_t seq_len) : corpus_(corpus), seq_len_(seq_len) {
  if (seq_len == 0) Throw(ErrorCode::kInvalidArgument, "seq_len 0: must be at least 1");
  if (corpus.num_tokens() <= seq_len) {
    Throw(ErrorCode::kInvalidArgument,
          "the corpus has {} tokens, a sequence of {} and the token after it need {}; give a smaller --seq-len or a "
          "larger corpus",
          corpus.num_tokens(), seq_len, uint64_t{seq_len} + 1);
  }
  ends_.reserve(corpus.num_documents());
  uint64_t end = 0;
  for (uint64_t document = 0; document < corpus.num_documents(); ++document) {
    end += corpus.DocumentLength({document});
    ends_.push_back(end);
  }
}

void TokenSequences::ReadTokens(uint64_t begin, std::span<TokenId> out) const {
  for (uint64_t document = DocumentAt(begin); !out.empty(); ++document) {
    const size_t count = std::min<uint64_t>(out.size(), ends_[document] - begin);
    const uint64_t start = document == 0 ? 0 : ends_[document - 1];
    corpus_.ReadTokens({document}, begin - start, out.first(count));
    out = out.subspan(count);
    begin += count;
  }
}

DocumentRange TokenSequences::Documents(uint64_t i) const {
  const uint64_t begin = i * seq_len_;
  return {{DocumentAt(begin)}, {DocumentAt(begin + seq_len_)}};
}

// A document without tokens is passed over.
uint64_t TokenSequences::DocumentAt(uint64_t token) const {
  return std::upper_bound(ends_.begin(), ends_.end(), token) - ends_.begin();
}

}  // namespace retro
