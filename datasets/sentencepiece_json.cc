#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>

#include "core/error.h"
#include "datasets/sentencepiece_model.h"
#include "datasets/tokenizer_export.h"

namespace retro {
namespace {

using nlohmann::json;
using Kind = SentencePieceModel::Kind;
using PieceKind = SentencePieceModel::PieceKind;

constexpr const char* kSpace = "\xE2\x96\x81";  // ▁

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t j = i; j < i + 3; ++j) three = three << 8 | (j < bytes.size() ? static_cast<uint8_t>(bytes[j]) : 0);
    for (int shift = 18; shift >= 0; shift -= 6) text += kDigits[three >> shift & 63];
  }
  const size_t padding = (3 - bytes.size() % 3) % 3;
  text.replace(text.size() - padding, padding, padding, '=');
  return text;
}

json Replace(json pattern, const char* content) {
  return {{"type", "Replace"}, {"pattern", std::move(pattern)}, {"content", content}};
}

// The steps of the library's normalizer, in its order.
json Normalizer(const SentencePieceModel& model) {
  json steps = json::array();
  if (!model.precompiled_map.empty()) {
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", Base64(model.precompiled_map)}});
  }
  if (model.remove_extra_whitespaces) {
    steps.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
    steps.push_back(Replace({{"Regex", " {2,}"}}, " "));
  }
  if (model.add_dummy_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", " "}});
  if (model.escape_whitespaces) steps.push_back(Replace({{"String", " "}}, kSpace));
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

json Decoder(const SentencePieceModel& model) {
  json steps = json::array({Replace({{"String", kSpace}}, " ")});
  if (model.byte_fallback) steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (model.add_dummy_prefix) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", steps}};
}

// Found in the text before anything else looks at it.
json AddedTokens(const SentencePieceModel& model) {
  json list = json::array();
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    const bool user_defined = piece.kind == PieceKind::kUserDefined;
    if (!user_defined && piece.kind != PieceKind::kControl && piece.kind != PieceKind::kUnknown) continue;
    list.push_back({{"id", id},
                    {"content", piece.text},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", !user_defined}});
  }
  return list;
}

json UnknownId(const SentencePieceModel& model) {
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].kind == PieceKind::kUnknown) return id;
  }
  return nullptr;
}

json Unigram(const SentencePieceModel& model) {
  json vocabulary = json::array();
  for (const SentencePieceModel::Piece& piece : model.pieces) vocabulary.push_back({piece.text, piece.score});
  return {
      {"type", "Unigram"}, {"unk_id", UnknownId(model)}, {"byte_fallback", model.byte_fallback}, {"vocab", vocabulary}};
}

struct Merge {
  std::string left, right;
  float score;
  size_t left_id, right_id;
};

// The library joins any two neighbours whose join is a piece, the best score first: each such pair is a merge.
std::vector<Merge> Merges(const SentencePieceModel& model) {
  std::unordered_map<std::string, size_t> ids;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].kind == PieceKind::kNormal) ids.emplace(model.pieces[id].text, id);
  }
  std::vector<Merge> merges;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    if (piece.kind != PieceKind::kNormal) continue;
    for (size_t cut = 1; cut < piece.text.size(); ++cut) {
      if ((static_cast<uint8_t>(piece.text[cut]) & 0xC0) == 0x80) continue;  // inside a character
      const std::string left = piece.text.substr(0, cut), right = piece.text.substr(cut);
      const auto left_id = ids.find(left), right_id = ids.find(right);
      if (left_id == ids.end() || right_id == ids.end()) continue;
      merges.push_back({left, right, piece.score, left_id->second, right_id->second});
    }
  }
  std::ranges::stable_sort(merges, [](const Merge& a, const Merge& b) {
    return std::tuple(-a.score, a.left_id, a.right_id) < std::tuple(-b.score, b.left_id, b.right_id);
  });
  return merges;
}

json Bpe(const SentencePieceModel& model) {
  json vocabulary = json::object(), merges = json::array();
  for (size_t id = 0; id < model.pieces.size(); ++id) vocabulary[model.pieces[id].text] = id;
  for (const Merge& merge : Merges(model)) merges.push_back({merge.left, merge.right});
  const json unknown = UnknownId(model);
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown.is_null() ? json() : json(model.pieces[unknown.get<size_t>()].text)},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", true},
          {"byte_fallback", model.byte_fallback},
          {"ignore_merges", false},
          {"vocab", vocabulary},
          {"merges", merges}};
}

}  // namespace

json SentencePieceTokenizerJson(const std::filesystem::path& path) {
  const SentencePieceModel model = ReadSentencePieceModel(path);
  if ((model.kind != Kind::kUnigram && model.kind != Kind::kBpe) || model.space_as_suffix) {
    Throw(ErrorCode::kInvalidArgument,
          "{}: only unigram and BPE models with spaces before words can be written as a tokenizer.json", path.string());
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", AddedTokens(model)},
          {"normalizer", Normalizer(model)},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", Decoder(model)},
          {"model", model.kind == Kind::kBpe ? Bpe(model) : Unigram(model)}};
}

}  // namespace retro
