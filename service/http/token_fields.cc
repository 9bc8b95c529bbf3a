#include "service/http/token_fields.h"

#include "service/http/body_fields.h"
#include "service/http/request_error.h"

namespace retro {

std::vector<TokenId> ReadTokens(const nlohmann::json& json, const std::string& param, const Tokenizer& tokenizer) {
  if (!json.is_array()) RefuseField(param, "{} is {}: it must be a list of token ids", param, Shown(json));
  const int64_t vocab_size = static_cast<int64_t>(tokenizer.vocab_size());
  std::vector<TokenId> tokens;
  for (const nlohmann::json& entry : json) {
    const std::optional<int64_t> token = WholeNumber(entry);
    if (!token || *token < 0 || *token >= vocab_size) {
      RefuseField(param, "{} holds {}: token ids are whole numbers from 0 to {}", param, Shown(entry), vocab_size - 1);
    }
    tokens.push_back(static_cast<TokenId>(*token));
  }
  return tokens;
}

}  // namespace retro
