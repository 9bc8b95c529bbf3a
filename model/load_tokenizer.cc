#include "model/load_tokenizer.h"

#include <array>

#include "core/file.h"
#include "datasets/byte_level_bpe.h"
#include "model/gguf_tokenizer.h"
#include "model/model_files.h"

namespace retro {
namespace {

void CopyFile(const std::filesystem::path& from, const std::filesystem::path& to) {
  WriteFileAtomically(to, ReadFile(from));
}

}  // namespace

void CopyTokenizerFiles(const std::filesystem::path& tokenizer, const std::filesystem::path& folder) {
  static constexpr std::array kNames = {
      "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model",
      "vocab.txt",      "chat_template.jinja"};
  std::error_code ignored;
  if (std::filesystem::is_directory(tokenizer, ignored)) {
    for (const char* name : kNames) {
      if (std::filesystem::exists(tokenizer / name, ignored)) CopyFile(tokenizer / name, folder / name);
    }
  } else if (tokenizer.extension() == ".model") {
    CopyFile(tokenizer, folder / "tokenizer.model");
  } else if (!IsGguf(tokenizer)) {
    CopyFile(tokenizer, folder / tokenizer.filename());
  }
}

std::unique_ptr<Tokenizer> LoadTokenizer(const std::filesystem::path& path) {
  const std::filesystem::path model = ResolveModelPath(path);
  if (!IsGguf(model)) return LoadTokenizerFile(model);
  return MakeByteLevelBpe(ReadGgufTokenizer(GgufFile(model)), model.string());
}

}  // namespace retro
