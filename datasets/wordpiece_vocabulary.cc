#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/utf8.h"
#include "datasets/tokenizer_json_node.h"
#include "datasets/wordpiece.h"

namespace retro {
namespace {

std::vector<std::string> ReadLines(const std::filesystem::path& path) {
  const std::string text = ReadFile(path);
  if (!IsValidUtf8(text))
    Throw(ErrorCode::kCorruption, "{} is not UTF-8: a vocab.txt holds a token a line", path.string());
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    size_t length = end - begin;
    if (length > 0 && text[end - 1] == '\r') --length;
    lines.push_back(text.substr(begin, length));
    begin = end + 1;
  }
  return lines;
}

// The text of a token in the configuration, which may be an object with its text as "content".
std::string TokenName(const JsonNode* config, std::string_view key, std::string_view otherwise) {
  const auto node = config != nullptr ? config->Find(key) : std::nullopt;
  if (!node) return std::string(otherwise);
  return std::string(node->IsString() ? node->String() : node->Get("content").String());
}

void SetSpecialTokens(const JsonNode* config, WordPieceModel& model) {
  const auto find = [&](std::string_view key, std::string_view otherwise) -> std::optional<TokenId> {
    const std::string name = TokenName(config, key, otherwise);
    const auto token = std::find(model.tokens.begin(), model.tokens.end(), name);
    if (name.empty() || token == model.tokens.end()) return std::nullopt;
    const auto id = static_cast<TokenId>(token - model.tokens.begin());
    model.added.push_back({.id = id, .content = name, .special = true});
    return id;
  };
  model.special.unk = find("unk_token", "[UNK]");
  model.special.cls = find("cls_token", "[CLS]");
  model.special.sep = find("sep_token", "[SEP]");
  model.special.pad = find("pad_token", "[PAD]");
  model.special.mask = find("mask_token", "[MASK]");
  if (model.special.cls) model.prefix = {*model.special.cls};
  if (model.special.sep) model.suffix = {*model.special.sep};
}

}  // namespace

std::unique_ptr<Tokenizer> LoadWordPieceVocabulary(const std::filesystem::path& vocab_txt) {
  WordPieceModel model;
  model.tokens = ReadLines(vocab_txt);
  std::optional<JsonFile> file;
  std::optional<JsonNode> config;
  const auto config_path = vocab_txt.parent_path() / "tokenizer_config.json";
  if (std::filesystem::exists(config_path)) {
    file.emplace(config_path);
    config = file->root();
    model.normalization.lowercase = config->BoolOr("do_lower_case", true);
    model.normalization.handle_chinese_chars = config->BoolOr("tokenize_chinese_chars", true);
  }
  model.normalization.strip_accents = model.normalization.lowercase;
  if (config) model.normalization.strip_accents = config->BoolOr("strip_accents", model.normalization.lowercase);
  SetSpecialTokens(config ? &*config : nullptr, model);
  return MakeWordPiece(std::move(model), vocab_txt.string());
}

}  // namespace retro
