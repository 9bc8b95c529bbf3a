// The parts of a tokenizer.json that both its models share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "datasets/tokenizer.h"
#include "datasets/tokenizer_added_tokens.h"
#include "datasets/tokenizer_json_node.h"

namespace retro::tokenizer_json {

// Tokens by id from an object of ids by token; ids that are left out stay empty. Throws Error(kCorruption) on an id
// that two tokens share or that is far beyond the number of tokens.
std::vector<std::string> ParseVocabulary(const JsonNode& vocab);

std::vector<AddedToken> ParseAddedTokens(const JsonNode& root);

// Puts the added tokens at their ids into `tokens`. Throws Error(kCorruption) naming `source` where both disagree.
void JoinVocabulary(const std::vector<AddedToken>& added, std::vector<std::string>& tokens, const std::string& source);

// What the post_processor puts before and behind a single text.
void ParseTemplate(const JsonNode& root, std::vector<TokenId>& prefix, std::vector<TokenId>& suffix);

// From the tokenizer_config.json beside `path`, or else by the names that are common.
SpecialTokens ReadSpecialTokens(const std::filesystem::path& path, const std::vector<std::string>& tokens);

}  // namespace retro::tokenizer_json
