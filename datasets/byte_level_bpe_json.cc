#include <nlohmann/json.hpp>

#include "datasets/tokenizer_export.h"

namespace retro {
namespace {

using nlohmann::json;

json ByteLevel(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

json Sequence(json first, json second) {
  return {{"type", "Sequence"}, {"pretokenizers", {std::move(first), std::move(second)}}};
}

json PreTokenizer(const ByteLevelBpeModel& model) {
  switch (model.pre_tokenizer) {
    case PreTokenizerKind::kNone:
      return ByteLevel(model.add_prefix_space, false);
    case PreTokenizerKind::kGpt2:
      return ByteLevel(model.add_prefix_space, true);
    case PreTokenizerKind::kSmolLm:
      return Sequence({{"type", "Digits"}, {"individual_digits", true}}, ByteLevel(model.add_prefix_space, true));
    default:
      return Sequence({{"type", "Split"},
                       {"pattern", {{"Regex", PreTokenizerRegex(model.pre_tokenizer)}}},
                       {"behavior", "Isolated"},
                       {"invert", false}},
                      ByteLevel(model.add_prefix_space, false));
  }
}

json AddedTokens(const std::vector<AddedToken>& added) {
  json list = json::array();
  for (const AddedToken& token : added) {
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  return list;
}

void AppendTemplateTokens(const ByteLevelBpeModel& model, const std::vector<TokenId>& ids, json& single,
                          json& special) {
  for (const TokenId id : ids) {
    const std::string& token = model.tokens[id];
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    special[token] = {{"id", token}, {"ids", json::array({id})}, {"tokens", json::array({token})}};
  }
}

// What add_special puts around a text.
json PostProcessor(const ByteLevelBpeModel& model) {
  if (model.prefix.empty() && model.suffix.empty()) return nullptr;
  json single = json::array(), special = json::object();
  AppendTemplateTokens(model, model.prefix, single, special);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  AppendTemplateTokens(model, model.suffix, single, special);
  json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
}

json Vocabulary(const std::vector<std::string>& tokens) {
  json vocabulary = json::object();
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!tokens[id].empty()) vocabulary[tokens[id]] = id;
  }
  return vocabulary;
}

}  // namespace

json TokenizerJson(const ByteLevelBpeModel& model) {
  const json unknown = model.special.unk ? json(model.tokens[*model.special.unk]) : json();
  const json bpe = {{"type", "BPE"},
                    {"dropout", nullptr},
                    {"unk_token", unknown},
                    {"continuing_subword_prefix", nullptr},
                    {"end_of_word_suffix", nullptr},
                    {"fuse_unk", model.fuse_unknown},
                    {"byte_fallback", false},
                    {"ignore_merges", model.ignore_merges},
                    {"vocab", Vocabulary(model.tokens)},
                    {"merges", model.merges}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", AddedTokens(model.added)},
          {"normalizer", model.normalize_nfc ? json{{"type", "NFC"}} : json()},
          {"pre_tokenizer", PreTokenizer(model)},
          {"post_processor", PostProcessor(model)},
          {"decoder", ByteLevel(false, true)},
          {"model", bpe}};
}

}  // namespace retro
