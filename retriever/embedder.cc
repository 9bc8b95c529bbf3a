#include "retriever/embedder.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/hash.h"
#include "core/thread_pool.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_batch.h"
#include "model/text_encoder.h"

namespace retro {

struct Embedder::State {
  std::shared_ptr<const TextEncoder> encoder;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string fingerprint;

  // As sentence-transformers does it: the text loses its end, the closing special token stays.
  void Cut(std::vector<TokenId>& ids) const {
    const auto max_len = static_cast<size_t>(encoder->max_len());
    if (ids.size() <= max_len) return;
    const TokenId closing = ids.back();
    ids.resize(max_len);
    if (tokenizer->IsSpecial(closing)) ids.back() = closing;
  }
};

Embedder::Embedder(const std::filesystem::path& folder, EncoderPrecision precision)
    : Embedder(LoadTextEncoder(folder, precision), LoadTokenizerFile(folder)) {}

Embedder::Embedder(std::shared_ptr<const TextEncoder> encoder, std::shared_ptr<const Tokenizer> tokenizer)
    : state_(std::make_unique<State>()) {
  if (tokenizer->vocab_size() > static_cast<size_t>(encoder->vocab_size())) {
    Throw(ErrorCode::kInvalidArgument, "the tokenizer has {} entries, the encoder embeds {}: they are of two models",
          tokenizer->vocab_size(), encoder->vocab_size());
  }
  state_->fingerprint = HashHex(encoder->fingerprint() + " " + tokenizer->fingerprint());
  state_->encoder = std::move(encoder);
  state_->tokenizer = std::move(tokenizer);
}

Embedder::~Embedder() = default;

int64_t Embedder::dim() const { return state_->encoder->dim(); }
const std::string& Embedder::fingerprint() const { return state_->fingerprint; }
EncoderPrecision Embedder::precision() const { return state_->encoder->precision(); }

int64_t Embedder::NumTokens(std::string_view text) const {
  std::vector<TokenId> ids = state_->tokenizer->Encode(text, {.add_special = true});
  state_->Cut(ids);
  return std::ssize(ids);
}

void Embedder::Embed(std::span<const std::string_view> texts, std::span<float> out, ThreadPool& pool) const {
  const auto width = static_cast<size_t>(dim());
  if (out.size() != texts.size() * width) {
    Throw(ErrorCode::kInternal, "room for {} values, {} texts of dim {}", out.size(), texts.size(), width);
  }
  auto ids = EncodeBatch(*state_->tokenizer, texts, {.add_special = true}, pool);
  for (auto& sequence : ids) state_->Cut(sequence);
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ids[a].size() < ids[b].size(); });
  std::vector<std::span<const TokenId>> sequences(texts.size());
  for (size_t i = 0; i < order.size(); ++i) sequences[i] = ids[order[i]];
  std::vector<float> rows(out.size());
  state_->encoder->Embed(sequences, rows, pool);
  for (size_t i = 0; i < order.size(); ++i) {
    std::copy_n(rows.begin() + i * width, width, out.begin() + order[i] * width);
  }
}

}  // namespace retro
