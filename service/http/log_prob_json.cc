#include "service/http/log_prob_json.h"

#include <cmath>

#include "core/utf8.h"
#include "service/http/code_points.h"

namespace retro {
namespace {

// JSON has no infinity; clients add these numbers up.
constexpr float kLeastLogProb = -9999;

nlohmann::json NumberOf(float log_prob) {
  if (std::isnan(log_prob)) return nullptr;
  return std::max(log_prob, kLeastLogProb);
}

}  // namespace

TokenNames::TokenNames(const Tokenizer& tokenizer, std::span<const TokenId> before, bool as_ids)
    : tokenizer_(tokenizer), as_ids_(as_ids) {
  if (!before.empty()) last_ = before.back();
}

// Sentencepiece and WordPiece write a token's space only after another token.
std::string TokenNames::BytesOf(TokenId token) const {
  if (tokenizer_.IsSpecial(token)) return std::string(tokenizer_.Spelling(token));
  if (!last_) return tokenizer_.Decode({&token, 1});
  const TokenId both[] = {*last_, token};
  const std::string before = tokenizer_.Decode({both, 1});
  const std::string text = tokenizer_.Decode(both);
  return text.starts_with(before) ? text.substr(before.size()) : tokenizer_.Decode({&token, 1});
}

std::string TokenNames::NameOf(TokenId token) const {
  if (as_ids_) return fmt::format("token_id:{}", token);
  const std::string bytes = BytesOf(token);
  if (IsValidUtf8(bytes)) return bytes;
  std::string name = "bytes:";
  for (const char c : bytes) name += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return name;
}

CompletionLogProbs::CompletionLogProbs(const Tokenizer& tokenizer, std::span<const TokenId> before, int num_top,
                                       bool as_ids, int64_t offset)
    : names_(tokenizer, before, as_ids), text_(tokenizer, before), num_top_(num_top), offset_(offset) {}

void CompletionLogProbs::Push(const TokenLogProb& entry) {
  entries_.push_back({names_.NameOf(entry.token), NumberOf(entry.log_prob), TopOf(entry), offset_});
  pending_ += text_.Push(entry.token);
  const size_t whole = CompleteUtf8Prefix(pending_);
  offset_ += NumCodePoints(ReplaceInvalidUtf8(pending_.substr(0, whole)));
  pending_.erase(0, whole);
  names_.Push(entry.token);
}

// The token itself and its alternatives by their texts; of two with the same text the more probable one stays.
nlohmann::json CompletionLogProbs::TopOf(const TokenLogProb& entry) const {
  if (std::isnan(entry.log_prob) || num_top_ == 0) return nullptr;
  nlohmann::json top = nlohmann::json::object();
  top[names_.NameOf(entry.token)] = NumberOf(entry.log_prob);
  for (const auto& [token, log_prob] : entry.top) top.emplace(names_.NameOf(token), NumberOf(log_prob));
  return top;
}

void CompletionLogProbs::CutAt(int64_t length) {
  while (!entries_.empty() && entries_.back().offset >= length) entries_.pop_back();
}

nlohmann::json CompletionLogProbs::Take() {
  nlohmann::json tokens = nlohmann::json::array(), log_probs = tokens, top = tokens, offsets = tokens;
  for (Entry& entry : entries_) {
    tokens.push_back(std::move(entry.name));
    log_probs.push_back(std::move(entry.log_prob));
    top.push_back(std::move(entry.top));
    offsets.push_back(entry.offset);
  }
  entries_.clear();
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(log_probs)},
          {"top_logprobs", num_top_ == 0 ? nlohmann::json() : std::move(top)},
          {"text_offset", std::move(offsets)}};
}

nlohmann::json ChatLogProb(const TokenLogProb& entry, const TokenNames& names) {
  const auto describe = [&](TokenId token, float log_prob) {
    const std::string bytes = names.BytesOf(token);
    return nlohmann::json{{"token", names.NameOf(token)},
                          {"logprob", NumberOf(log_prob)},
                          {"bytes", std::vector<uint8_t>(bytes.begin(), bytes.end())}};
  };
  nlohmann::json json = describe(entry.token, entry.log_prob);
  nlohmann::json& top = json["top_logprobs"] = nlohmann::json::array();
  for (const auto& [token, log_prob] : entry.top) top.push_back(describe(token, log_prob));
  return json;
}

}  // namespace retro
