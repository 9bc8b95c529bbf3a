#include "datasets/tokenizer_json.h"

#include <algorithm>

#include "datasets/byte_level_bpe.h"
#include "datasets/tokenizer_json_node.h"
#include "datasets/tokenizer_json_parts.h"
#include "datasets/wordpiece.h"

namespace retro {
namespace {

using tokenizer_json::JoinVocabulary;
using tokenizer_json::ParseAddedTokens;
using tokenizer_json::ParseTemplate;
using tokenizer_json::ParseVocabulary;
using tokenizer_json::ReadSpecialTokens;

void RefuseUnlessEmpty(const JsonNode& model, std::string_view key) {
  const auto value = model.Find(key);
  if (value && !value->String().empty()) value->ThrowUnsupported(fmt::format("\"{}\"", value->String()));
}

std::vector<std::string> ParseMerges(const JsonNode& node) {
  std::vector<std::string> merges;
  merges.reserve(node.Array().size());
  for (const auto element : node.Array()) {
    const JsonNode merge = node.Child(element, std::to_string(merges.size()));
    if (merge.IsString()) {
      merges.emplace_back(merge.String());
      continue;
    }
    std::vector<std::string_view> pair;
    for (const auto part : merge.Array()) pair.push_back(merge.Child(part, "token").String());
    if (pair.size() != 2) merge.ThrowBad("must be two tokens");
    merges.push_back(fmt::format("{} {}", pair[0], pair[1]));
  }
  return merges;
}

// A ByteLevel step; `splits` tells whether a step before it has cut the text already.
void ParseByteLevel(const JsonNode& node, bool splits, ByteLevelBpeModel& model) {
  model.add_prefix_space = node.BoolOr("add_prefix_space", true);
  if (model.add_prefix_space && splits) node.ThrowUnsupported("add_prefix_space after another step");
}

std::optional<PreTokenizerKind> ParseSplit(const JsonNode& node) {
  if (node.Get("type").String() != "Split") return std::nullopt;
  const auto regex = node.Get("pattern").Get("Regex").String();
  const auto kind = PreTokenizerByRegex(regex);
  if (!kind) node.ThrowUnsupported(fmt::format("the pattern {}", regex));
  if (node.StringOr("behavior", "Isolated") != "Isolated" || node.BoolOr("invert", false)) {
    node.ThrowUnsupported("a Split other than Isolated");
  }
  return kind;
}

// Sequence of a cutting step and ByteLevel.
void ParseSequence(const JsonNode& node, ByteLevelBpeModel& model) {
  const JsonNode list = node.Get("pretokenizers");
  std::vector<JsonNode> steps;
  for (const auto element : list.Array()) steps.push_back(list.Child(element, std::to_string(steps.size())));
  if (steps.size() != 2 || steps[1].Get("type").String() != "ByteLevel") {
    node.ThrowUnsupported("a sequence that is not one cutting step and then ByteLevel");
  }
  ParseByteLevel(steps[1], true, model);
  const bool use_regex = steps[1].BoolOr("use_regex", true);
  if (const auto kind = ParseSplit(steps[0])) {
    if (use_regex) steps[1].ThrowUnsupported("use_regex after Split");
    model.pre_tokenizer = *kind;
  } else if (steps[0].Get("type").String() == "Digits") {
    if (!use_regex || !steps[0].BoolOr("individual_digits", false)) {
      steps[0].ThrowUnsupported("Digits other than individual_digits before ByteLevel with use_regex");
    }
    model.pre_tokenizer = PreTokenizerKind::kSmolLm;
  } else {
    steps[0].ThrowUnsupported(fmt::format("type {}", steps[0].Get("type").String()));
  }
}

void ParseBpePreTokenizer(const JsonNode& root, ByteLevelBpeModel& model) {
  const auto node = root.Find("pre_tokenizer");
  if (!node) root.ThrowUnsupported("BPE without a ByteLevel pre_tokenizer");
  const auto type = node->Get("type").String();
  if (type == "Sequence") return ParseSequence(*node, model);
  if (type != "ByteLevel") node->ThrowUnsupported(fmt::format("type {} (BPE must be byte-level)", type));
  ParseByteLevel(*node, false, model);
  model.pre_tokenizer = node->BoolOr("use_regex", true) ? PreTokenizerKind::kGpt2 : PreTokenizerKind::kNone;
}

void ParseBpeNormalizer(const JsonNode& root, ByteLevelBpeModel& model) {
  const auto node = root.Find("normalizer");
  if (!node) return;
  const auto type = node->Get("type").String();
  if (type == "Sequence" && node->Get("normalizers").Array().size() == 0) return;
  if (type != "NFC") node->ThrowUnsupported(fmt::format("type {}", type));
  model.normalize_nfc = true;
}

void CheckDecoder(const JsonNode& root) {
  const auto decoder = root.Find("decoder");
  if (!decoder) return;
  const auto type = decoder->Get("type").String();
  if (type != "ByteLevel") decoder->ThrowUnsupported(fmt::format("type {} with BPE", type));
}

std::unique_ptr<Tokenizer> MakeBpe(const JsonNode& root, const std::filesystem::path& path) {
  const JsonNode json = root.Get("model");
  ByteLevelBpeModel model;
  model.tokens = ParseVocabulary(json.Get("vocab"));
  model.added = ParseAddedTokens(root);
  JoinVocabulary(model.added, model.tokens, root.file());
  model.merges = ParseMerges(json.Get("merges"));
  RefuseUnlessEmpty(json, "continuing_subword_prefix");
  RefuseUnlessEmpty(json, "end_of_word_suffix");
  if (const auto dropout = json.Find("dropout"); dropout && dropout->Number() != 0.0) {
    dropout->ThrowUnsupported("dropout");
  }
  if (json.BoolOr("byte_fallback", false)) json.Get("byte_fallback").ThrowUnsupported("true");
  model.ignore_merges = json.BoolOr("ignore_merges", false);
  model.fuse_unknown = json.BoolOr("fuse_unk", false);
  ParseBpePreTokenizer(root, model);
  ParseBpeNormalizer(root, model);
  CheckDecoder(root);
  ParseTemplate(root, model.prefix, model.suffix);
  model.special = ReadSpecialTokens(path, model.tokens);
  // Only the model's own setting decides what unknown bytes become.
  model.special.unk.reset();
  if (const auto unknown = json.Find("unk_token")) {
    const auto id = std::find(model.tokens.begin(), model.tokens.end(), unknown->String());
    if (id == model.tokens.end())
      unknown->ThrowBad(fmt::format("(\"{}\") is not in the vocabulary", unknown->String()));
    model.special.unk = static_cast<TokenId>(id - model.tokens.begin());
  }
  return MakeByteLevelBpe(std::move(model), root.file());
}

BertNormalization ParseBertNormalizer(const JsonNode& root) {
  const auto node = root.Find("normalizer");
  if (!node) return {false, false, false, false};
  const auto type = node->Get("type").String();
  if (type != "BertNormalizer") node->ThrowUnsupported(fmt::format("type {} with WordPiece", type));
  BertNormalization options;
  options.clean_text = node->BoolOr("clean_text", true);
  options.handle_chinese_chars = node->BoolOr("handle_chinese_chars", true);
  options.lowercase = node->BoolOr("lowercase", true);
  options.strip_accents = node->BoolOr("strip_accents", options.lowercase);
  return options;
}

void ParseWordPieceDecoder(const JsonNode& root, WordPieceModel& model) {
  const auto decoder = root.Find("decoder");
  if (!decoder) return;
  const auto type = decoder->Get("type").String();
  if (type != "WordPiece") decoder->ThrowUnsupported(fmt::format("type {} with WordPiece", type));
  model.decoder_prefix = decoder->StringOr("prefix", "##");
  model.decoder_cleanup = decoder->BoolOr("cleanup", true);
}

std::unique_ptr<Tokenizer> MakeWordPieceFromJson(const JsonNode& root, const std::filesystem::path& path) {
  const JsonNode json = root.Get("model");
  WordPieceModel model;
  model.tokens = ParseVocabulary(json.Get("vocab"));
  model.added = ParseAddedTokens(root);
  JoinVocabulary(model.added, model.tokens, root.file());
  model.continuing_prefix = json.StringOr("continuing_subword_prefix", "##");
  if (const auto limit = json.Find("max_input_chars_per_word")) {
    model.max_word_chars = static_cast<size_t>(limit->Id());
  }
  model.normalization = ParseBertNormalizer(root);
  const auto pre_tokenizer = root.Get("pre_tokenizer");
  const auto type = pre_tokenizer.Get("type").String();
  if (type != "BertPreTokenizer") pre_tokenizer.ThrowUnsupported(fmt::format("type {} with WordPiece", type));
  ParseWordPieceDecoder(root, model);
  ParseTemplate(root, model.prefix, model.suffix);
  model.special = ReadSpecialTokens(path, model.tokens);
  const std::string unknown = json.StringOr("unk_token", "[UNK]");
  const auto id = std::find(model.tokens.begin(), model.tokens.end(), unknown);
  if (id == model.tokens.end()) json.ThrowBad(fmt::format("has no unknown token \"{}\" in its vocabulary", unknown));
  model.special.unk = static_cast<TokenId>(id - model.tokens.begin());
  return MakeWordPiece(std::move(model), root.file());
}

// Old files leave the type out: only BPE has merges.
std::string_view ModelType(const JsonNode& model) {
  if (const auto type = model.Find("type")) return type->String();
  return model.Find("merges") ? "BPE" : "WordPiece";
}

}  // namespace

std::unique_ptr<Tokenizer> LoadTokenizerJson(const std::filesystem::path& path) {
  const JsonFile file(path);
  const JsonNode root = file.root();
  const JsonNode model = root.Get("model");
  const auto type = ModelType(model);
  if (type == "BPE") return MakeBpe(root, path);
  if (type == "WordPiece") return MakeWordPieceFromJson(root, path);
  model.ThrowUnsupported(fmt::format("type {} (BPE and WordPiece are)", type));
}

}  // namespace retro
