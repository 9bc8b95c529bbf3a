// Token ids from outside.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "datasets/tokenizer.h"

namespace retro {

// Throws RequestError(param) when `json` is no list of ids of the vocabulary.
std::vector<TokenId> ReadTokens(const nlohmann::json& json, const std::string& param, const Tokenizer& tokenizer);

}  // namespace retro
