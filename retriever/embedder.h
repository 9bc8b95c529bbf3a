// Text to embedding: WordPiece and the frozen encoder together. Database chunks and questions go the same way.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/text_encoder.h"

namespace retro {

class ThreadPool;
class Tokenizer;

// Const methods may be called from several threads, each with its own pool.
class Embedder {
 public:
  // `folder`: an encoder in Hugging Face layout with its tokenizer. Throws Error naming file and field.
  explicit Embedder(const std::filesystem::path& folder, EncoderPrecision precision = EncoderPrecision::kFp32);
  // An encoder on another device, or one made for a test. Throws Error(kInvalidArgument) when the tokenizer's
  // vocabulary is larger than the encoder's.
  Embedder(std::shared_ptr<const TextEncoder> encoder, std::shared_ptr<const Tokenizer> tokenizer);
  ~Embedder();

  int64_t dim() const;
  // Of weights, settings and tokenizer: embeddings of one fingerprint may be compared, whatever their precisions.
  const std::string& fingerprint() const;
  EncoderPrecision precision() const;
  int64_t NumTokens(std::string_view text) const;  // that the encoder sees of it

  // One row of `dim()` for each text, in their order; texts are sorted by length inside, and texts longer than the
  // encoder takes are cut at its end. An empty text embeds as the encoder's special tokens alone.
  // REQUIRES: out.size() == texts.size() * dim()
  void Embed(std::span<const std::string_view> texts, std::span<float> out, ThreadPool& pool) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace retro
