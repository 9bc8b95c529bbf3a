// A language model whose every answer is known: logits are a function of the tokens so far, and tokens are bytes.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "datasets/tokenizer.h"
#include "model/decoder.h"
#include "tests/testing/toy_cache.h"

namespace retro {

// 256 bytes, then <s>, </s> and <|im_end|>.
class ToyTokenizer final : public Tokenizer {
 public:
  static constexpr TokenId kBos = 256, kEos = 257, kEndOfTurn = 258;
  static constexpr int kVocabSize = 259;

  explicit ToyTokenizer(bool with_bos = true) {
    if (with_bos) special_.bos = kBos;
    special_.eos = kEos;
  }

  using Tokenizer::Decode;
  using Tokenizer::Encode;
  void Encode(std::string_view text, const EncodeOptions&, std::vector<TokenId>& ids) const override {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  }
  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < kBos)
        text += static_cast<char>(id);
      else if (!options.skip_special)
        text += Spelling(id);
    }
    return text;
  }
  size_t vocab_size() const override { return kVocabSize; }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId id) const override { return id >= kBos; }
  std::optional<TokenId> Find(std::string_view token) const override {
    for (TokenId id = kBos; id < kVocabSize; ++id) {
      if (Spelling(id) == token) return id;
    }
    return token.size() == 1 ? std::optional<TokenId>(static_cast<unsigned char>(token[0])) : std::nullopt;
  }
  std::string_view Spelling(TokenId id) const override {
    if (id >= kBos) return std::array<std::string_view, 3>{"<s>", "</s>", "<|im_end|>"}[id - kBos];
    static const std::string bytes = [] {
      std::string all;
      for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
      return all;
    }();
    return std::string_view(bytes).substr(id, 1);
  }
  std::string_view kind() const override { return "bpe"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  SpecialTokens special_;
  std::string fingerprint_ = "bytes";
};

// Logits are `next`(tokens so far). `passes` records the number of sequences and of tokens of every pass.
class ToyDecoder final : public Decoder {
 public:
  using Next = std::function<std::vector<float>(std::span<const TokenId>)>;

  ToyDecoder(int64_t context_len, Next next) : next_(std::move(next)) {
    config_.family = "toy";
    config_.vocab_size = ToyTokenizer::kVocabSize;
    config_.context_len = context_len;
  }

  // Writes `text`, then </s>, after any prompt that ends in `mark`.
  static ToyDecoder Writing(std::string text, char mark = '>', int64_t context_len = 1000) {
    return ToyDecoder(context_len, [text, mark](std::span<const TokenId> tokens) {
      size_t written = 0;
      while (written < tokens.size() && tokens[tokens.size() - 1 - written] != mark) ++written;
      return Peak(written < text.size() ? static_cast<unsigned char>(text[written]) : ToyTokenizer::kEos);
    });
  }

  // Logits of 0 but for `token`, which has 10.
  static std::vector<float> Peak(TokenId token) {
    std::vector<float> logits(ToyTokenizer::kVocabSize, 0.0f);
    logits[token] = 10;
    return logits;
  }

  // Logits in [-1, 1] without a pattern, a function of all tokens so far.
  static std::vector<float> Noise(std::span<const TokenId> tokens) {
    uint64_t state = 88172645463325252u;
    for (const TokenId token : tokens) state = (state ^ token) * 6364136223846793005u + 1442695040888963407u;
    std::vector<float> logits(ToyTokenizer::kVocabSize);
    for (float& logit : logits) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      logit = static_cast<float>(state >> 40) / (1 << 23) - 1.0f;
    }
    return logits;
  }

  const DecoderConfig& config() const override { return config_; }
  uint64_t num_parameters() const override { return 0; }
  uint64_t weight_bytes() const override { return 0; }
  std::unique_ptr<KvCache> NewCache(int num_sequences, int64_t capacity) const override {
    return std::make_unique<ToyCache>(num_sequences, capacity);
  }

  // Makes it take neighbours, which it only remembers, for chunks of `chunk_len` tokens.
  void TakeNeighbours(int64_t chunk_len) {
    config_.retro.emplace();
    config_.retro->chunk_len = chunk_len;
  }

  void SetNeighbours(KvCache& cache, int sequence, int64_t end, const ChunkNeighbours& neighbours) const override {
    if (end <= cache.length(sequence)) Throw(ErrorCode::kInvalidArgument, "the chunk is over");
    given[sequence][end] = neighbours;
  }

  void Forward(KvCache& cache, std::span<const SequenceInput> inputs, LogitsFor which, std::vector<float>& logits,
               ThreadPool&) const override {
    auto& toy = static_cast<ToyCache&>(cache);
    logits.clear();
    size_t num_tokens = 0;
    for (const SequenceInput& input : inputs) {
      std::vector<TokenId>& tokens = toy.tokens(input.sequence);
      num_tokens += input.tokens.size();
      if (static_cast<int64_t>(tokens.size() + input.tokens.size()) > cache.capacity()) {
        Throw(ErrorCode::kInvalidArgument, "sequence {} exceeds the capacity", input.sequence);
      }
      for (size_t i = 0; i < input.tokens.size(); ++i) {
        tokens.push_back(input.tokens[i]);
        const bool last = i + 1 == input.tokens.size();
        const LogitsFor wanted = input.logits.value_or(which);
        if (wanted == LogitsFor::kNone || (wanted == LogitsFor::kLastToken && !last)) continue;
        const std::vector<float> row = next_(tokens);
        logits.insert(logits.end(), row.begin(), row.end());
      }
    }
    const std::lock_guard lock(*mutex_);
    passes.emplace_back(inputs.size(), num_tokens);
  }

  mutable std::vector<std::pair<size_t, size_t>> passes;
  mutable std::map<int, std::map<int64_t, ChunkNeighbours>> given;  // by sequence and end of the chunk

 private:
  DecoderConfig config_;
  Next next_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
};

}  // namespace retro
