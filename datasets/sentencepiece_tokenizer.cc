#include "datasets/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/utf8.h"
#include "datasets/tokenizer_added_tokens.h"

namespace retro {
namespace {

class SentencePiece final : public Tokenizer {
 public:
  SentencePiece(const std::string& model, const std::string& source)
      : control_((Load(model, source), ControlTokens())), fingerprint_(HashHex("sentencepiece 1 " + model)) {
    const auto set = [&](int id, std::optional<TokenId>& token) {
      if (id >= 0) token = id;
    };
    set(processor_.bos_id(), special_.bos);
    set(processor_.eos_id(), special_.eos);
    set(processor_.pad_id(), special_.pad);
    set(processor_.unk_id(), special_.unk);
  }

  void Encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& ids) const override {
    std::string valid;
    if (!IsValidUtf8(text)) {
      valid = ReplaceInvalidUtf8(text);
      text = valid;
    }
    if (options.add_special && special_.bos) ids.push_back(*special_.bos);
    std::vector<TextPart> parts;
    control_.Split(text, options.parse_special, parts);
    for (const TextPart& part : parts) {
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        EncodePart(part.text, ids);
      }
    }
    if (options.add_special && !special_.bos && special_.eos) ids.push_back(*special_.eos);
  }

  std::string Decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
    std::vector<int> kept;
    for (const TokenId id : ids) {
      CheckId(id);
      if (!(options.skip_special && IsSpecial(id))) kept.push_back(id);
    }
    std::string text;
    const auto status = processor_.Decode(kept, &text);
    if (!status.ok()) Throw(ErrorCode::kInvalidArgument, "sentencepiece cannot decode: {}", status.ToString());
    return text;
  }

  size_t vocab_size() const override { return static_cast<size_t>(processor_.GetPieceSize()); }
  const SpecialTokens& special() const override { return special_; }
  bool IsSpecial(TokenId id) const override {
    return id >= 0 && static_cast<size_t>(id) < vocab_size() && (processor_.IsControl(id) || processor_.IsUnknown(id));
  }
  std::optional<TokenId> Find(std::string_view token) const override {
    const int id = processor_.PieceToId(token);
    if (id < 0 || static_cast<size_t>(id) >= vocab_size() || processor_.IdToPiece(id) != token) return std::nullopt;
    return id;
  }
  std::string_view Spelling(TokenId id) const override {
    CheckId(id);
    return processor_.IdToPiece(id);
  }
  std::string_view kind() const override { return "sentencepiece"; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  void Load(const std::string& model, const std::string& source) {
    const auto status = processor_.LoadFromSerializedProto(model);
    if (status.ok() && processor_.GetPieceSize() > 0) return;
    Throw(ErrorCode::kCorruption, "{} is not a sentencepiece model: {}", source,
          status.ok() ? "it has no pieces" : status.ToString());
  }

  std::vector<AddedToken> ControlTokens() const {
    std::vector<AddedToken> tokens;
    for (TokenId id = 0; id < processor_.GetPieceSize(); ++id) {
      if (processor_.IsControl(id)) tokens.push_back({.id = id, .content = processor_.IdToPiece(id), .special = true});
    }
    return tokens;
  }

  void EncodePart(std::string_view text, std::vector<TokenId>& ids) const {
    std::vector<int> part_ids;
    const auto status = processor_.Encode(text, &part_ids);
    if (!status.ok()) Throw(ErrorCode::kInternal, "sentencepiece cannot encode: {}", status.ToString());
    ids.insert(ids.end(), part_ids.begin(), part_ids.end());
  }

  void CheckId(TokenId id) const {
    if (id >= 0 && static_cast<size_t>(id) < vocab_size()) return;
    Throw(ErrorCode::kInvalidArgument, "token id {} is not in the vocabulary of {} ids", id, vocab_size());
  }

  sentencepiece::SentencePieceProcessor processor_;
  AddedTokenMatcher control_;
  SpecialTokens special_;
  std::string fingerprint_;
};

}  // namespace

std::unique_ptr<Tokenizer> LoadSentencePiece(const std::filesystem::path& path) {
  return std::make_unique<SentencePiece>(ReadFile(path), path.string());
}

}  // namespace retro
