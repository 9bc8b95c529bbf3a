#include "model/export_tokenizer.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "datasets/tokenizer_export.h"
#include "model/generator.h"
#include "model/gguf_tokenizer.h"
#include "model/model_files.h"

namespace retro {
namespace fs = std::filesystem;

namespace {

using nlohmann::json;

void WriteJson(const fs::path& file, const json& value, int indent = 1) {
  WriteFileAtomically(file, value.dump(indent) + "\n");
}

bool CopyIfThere(const fs::path& from, const fs::path& to) {
  std::error_code ignored;
  if (!fs::is_regular_file(from, ignored)) return false;
  WriteFileAtomically(to, ReadFile(from));
  return true;
}

// The sentencepiece model that `path` is or holds.
std::optional<fs::path> SentencePieceFile(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path.extension() == ".model" ? std::optional(path) : std::nullopt;
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}) {
    if (fs::is_regular_file(path / name, ignored)) return path / name;
  }
  return std::nullopt;
}

// PreTrainedTokenizerFast is tokenizer.json as it is; the classes of the families would put steps of their own in it.
json TokenizerConfig(const Tokenizer& tokenizer, int64_t context_len) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"model_max_length", context_len},
                 {"clean_up_tokenization_spaces", false}};
  const SpecialTokens& special = tokenizer.special();
  for (const auto& [name, id] : {std::pair("bos_token", special.bos),
                                 {"eos_token", special.eos},
                                 {"pad_token", special.pad},
                                 {"unk_token", special.unk}}) {
    if (id) config[name] = tokenizer.Spelling(*id);
  }
  return config;
}

// Takes the files that are there, and says whether tokenizer.json is among them.
bool CopyFilesAsTheyAre(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    return path.extension() == ".json" && CopyIfThere(path, folder / "tokenizer.json");
  }
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "chat_template.jinja"}) {
    CopyIfThere(path / name, folder / name);
  }
  return CopyIfThere(path / "tokenizer.json", folder / "tokenizer.json");
}

void WriteGgufTokenizer(const fs::path& path, json config, const fs::path& folder) {
  const GgufFile file(path);
  if (const auto source = file.FindString("tokenizer.chat_template")) config["chat_template"] = *source;
  WriteJson(folder / "tokenizer.json", TokenizerJson(ReadGgufTokenizer(file)));
  WriteJson(folder / "tokenizer_config.json", config);
}

}  // namespace

json SpecialTokenIds(const Tokenizer& tokenizer) {
  const SpecialTokens& special = tokenizer.special();
  json ids = json::object();
  for (const auto& [name, id] :
       {std::pair("bos_token_id", special.bos), {"eos_token_id", special.eos}, {"pad_token_id", special.pad}}) {
    ids[name] = id ? json(*id) : json();
  }
  return ids;
}

void ExportTokenizer(const fs::path& path, const Tokenizer& tokenizer, int64_t context_len, const fs::path& folder) {
  const fs::path model = ResolveModelPath(path);
  if (IsGguf(model)) {
    WriteGgufTokenizer(model, TokenizerConfig(tokenizer, context_len), folder);
  } else {
    const bool copied = CopyFilesAsTheyAre(model, folder);
    if (const auto pieces = SentencePieceFile(model)) {
      CopyIfThere(*pieces, folder / "tokenizer.model");
      if (!copied) WriteJson(folder / "tokenizer.json", SentencePieceTokenizerJson(*pieces));
    }
    std::error_code ignored;
    if (!fs::exists(folder / "tokenizer_config.json", ignored)) {
      WriteJson(folder / "tokenizer_config.json", TokenizerConfig(tokenizer, context_len));
    }
  }
  json generation = SpecialTokenIds(tokenizer);
  const std::vector<TokenId> stops = StopTokens(tokenizer);
  if (stops.size() > 1) generation["eos_token_id"] = stops;
  WriteJson(folder / "generation_config.json", generation);
}

}  // namespace retro
