#include "datasets/tokenizer_batch.h"

#include "core/thread_pool.h"

namespace retro {

std::vector<std::vector<TokenId>> EncodeBatch(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                                              const EncodeOptions& options, ThreadPool& pool) {
  std::vector<std::vector<TokenId>> ids(texts.size());
  pool.ParallelFor(texts.size(), [&](size_t i) { tokenizer.Encode(texts[i], options, ids[i]); });
  return ids;
}

}  // namespace retro
