#include "datasets/tokenizer_json_parts.h"

#include <algorithm>
#include <unordered_map>

namespace retro::tokenizer_json {
namespace {

// Vocabularies have few ids without a token; a huge id would only cost memory.
size_t IdLimit(size_t num_tokens) { return num_tokens * 4 + 65536; }

void PutToken(TokenId id, std::string_view token, std::vector<std::string>& tokens) {
  if (static_cast<size_t>(id) >= tokens.size()) tokens.resize(static_cast<size_t>(id) + 1);
  tokens[id] = token;
}

// {"SpecialToken": {"id": "[CLS]"}} pieces around {"Sequence": {...}}, with the ids of each in special_tokens.
void ParseTemplateProcessing(const JsonNode& node, std::vector<TokenId>& prefix, std::vector<TokenId>& suffix) {
  const JsonNode single = node.Get("single");
  const JsonNode special = node.Get("special_tokens");
  bool after_text = false;
  size_t index = 0;
  for (const auto element : single.Array()) {
    const JsonNode piece = single.Child(element, std::to_string(index++));
    if (piece.Find("Sequence")) {
      after_text = true;
      continue;
    }
    const JsonNode ids = special.Get(piece.Get("SpecialToken").Get("id").String()).Get("ids");
    for (const auto id : ids.Array()) (after_text ? suffix : prefix).push_back(ids.Child(id, "id").Id());
  }
}

// ["[SEP]", 102]
TokenId ParseTokenPair(const JsonNode& pair) {
  simdjson::dom::element id;
  if (pair.Array().at(1).get(id) != simdjson::SUCCESS) pair.ThrowBad("must be a token and its id");
  return pair.Child(id, "1").Id();
}

void ParseProcessor(const JsonNode& node, std::vector<TokenId>& prefix, std::vector<TokenId>& suffix) {
  const auto type = node.Get("type").String();
  if (type == "TemplateProcessing") return ParseTemplateProcessing(node, prefix, suffix);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    prefix.push_back(ParseTokenPair(node.Get("cls")));
    suffix.insert(suffix.begin(), ParseTokenPair(node.Get("sep")));
    return;
  }
  if (type != "ByteLevel") node.ThrowUnsupported(fmt::format("type {}", type));
}

// A token in a tokenizer_config.json: its text, or an object with its text as "content".
std::optional<std::string> ConfiguredToken(const JsonNode& config, std::string_view key) {
  const auto node = config.Find(key);
  if (!node) return std::nullopt;
  return std::string(node->IsString() ? node->String() : node->Get("content").String());
}

struct SpecialName {
  std::optional<TokenId> SpecialTokens::*token;
  std::string_view key;                  // in tokenizer_config.json
  std::vector<std::string_view> common;  // the first that the vocabulary has
};

const std::vector<SpecialName>& SpecialNames() {
  static const std::vector<SpecialName> names = {
      {&SpecialTokens::bos, "bos_token", {"<s>", "<|begin_of_text|>", "<|im_start|>", "<|endoftext|>"}},
      {&SpecialTokens::eos, "eos_token", {"</s>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>"}},
      {&SpecialTokens::pad, "pad_token", {"[PAD]", "<pad>"}},
      {&SpecialTokens::unk, "unk_token", {"[UNK]", "<unk>"}},
      {&SpecialTokens::cls, "cls_token", {"[CLS]"}},
      {&SpecialTokens::sep, "sep_token", {"[SEP]"}},
      {&SpecialTokens::mask, "mask_token", {"[MASK]", "<mask>"}},
  };
  return names;
}

}  // namespace

std::vector<std::string> ParseVocabulary(const JsonNode& vocab) {
  const auto object = vocab.Object();
  const size_t limit = IdLimit(object.size());
  std::vector<std::string> tokens;
  for (const auto field : object) {
    int64_t id = -1;
    const bool whole = field.value.get_int64().get(id) == simdjson::SUCCESS;
    if (!whole || id < 0 || static_cast<size_t>(id) >= limit) {
      vocab.Child(field.value, field.key).ThrowBad(fmt::format("must be an id from 0 to {}", limit - 1));
    }
    if (field.key.empty()) continue;
    if (static_cast<size_t>(id) < tokens.size() && !tokens[id].empty()) {
      vocab.ThrowBad(fmt::format("gives id {} to \"{}\" and to \"{}\"", id, tokens[id], field.key));
    }
    PutToken(static_cast<TokenId>(id), field.key, tokens);
  }
  return tokens;
}

std::vector<AddedToken> ParseAddedTokens(const JsonNode& root) {
  std::vector<AddedToken> added;
  const auto list = root.Find("added_tokens");
  if (!list) return added;
  for (const auto element : list->Array()) {
    const JsonNode node = list->Child(element, std::to_string(added.size()));
    added.push_back({node.Get("id").Id(), std::string(node.Get("content").String()), node.BoolOr("special", false),
                     node.BoolOr("single_word", false), node.BoolOr("lstrip", false), node.BoolOr("rstrip", false),
                     node.BoolOr("normalized", true)});
  }
  return added;
}

void JoinVocabulary(const std::vector<AddedToken>& added, std::vector<std::string>& tokens, const std::string& source) {
  std::unordered_map<std::string_view, TokenId> by_content;
  for (const auto& token : added) by_content[token.content] = token.id;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const auto same = by_content.find(tokens[id]);
    if (same == by_content.end() || same->second == static_cast<TokenId>(id)) continue;
    Throw(ErrorCode::kCorruption, "{}: added token \"{}\" has id {}, but model.vocab gives it id {}", source,
          tokens[id], same->second, id);
  }
  const size_t limit = IdLimit(tokens.size() + added.size());
  for (const auto& token : added) {
    if (static_cast<size_t>(token.id) >= limit) {
      Throw(ErrorCode::kCorruption, "{}: added token \"{}\" has id {}, which must be below {}", source, token.content,
            token.id, limit);
    }
    const bool taken = static_cast<size_t>(token.id) < tokens.size() && !tokens[token.id].empty();
    if (taken && tokens[token.id] != token.content) {
      Throw(ErrorCode::kCorruption, "{}: added token \"{}\" has id {}, but that is \"{}\"", source, token.content,
            token.id, tokens[token.id]);
    }
    PutToken(token.id, token.content, tokens);
  }
}

void ParseTemplate(const JsonNode& root, std::vector<TokenId>& prefix, std::vector<TokenId>& suffix) {
  const auto node = root.Find("post_processor");
  if (!node) return;
  if (node->Get("type").String() != "Sequence") return ParseProcessor(*node, prefix, suffix);
  const JsonNode list = node->Get("processors");
  size_t index = 0;
  for (const auto element : list.Array()) {
    ParseProcessor(list.Child(element, std::to_string(index++)), prefix, suffix);
  }
}

SpecialTokens ReadSpecialTokens(const std::filesystem::path& path, const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, TokenId> ids;
  for (size_t id = 0; id < tokens.size(); ++id) ids.emplace(tokens[id], static_cast<TokenId>(id));
  const auto find = [&](std::string_view token) -> std::optional<TokenId> {
    const auto found = token.empty() ? ids.end() : ids.find(token);
    return found == ids.end() ? std::nullopt : std::optional(found->second);
  };
  SpecialTokens special;
  const auto config_path = path.parent_path() / "tokenizer_config.json";
  const bool has_config = std::filesystem::exists(config_path);
  std::optional<JsonFile> config;
  if (has_config) config.emplace(config_path);
  for (const auto& name : SpecialNames()) {
    auto& token = special.*name.token;
    if (config) {
      if (const auto content = ConfiguredToken(config->root(), name.key)) token = find(*content);
      continue;
    }
    for (const auto common : name.common) {
      if (!token) token = find(common);
    }
  }
  return special;
}

}  // namespace retro::tokenizer_json
