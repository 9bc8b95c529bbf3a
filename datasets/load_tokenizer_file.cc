#include <algorithm>
#include <vector>

#include "core/error.h"
#include "datasets/sentencepiece_tokenizer.h"
#include "datasets/tokenizer.h"
#include "datasets/tokenizer_json.h"
#include "datasets/wordpiece.h"

namespace retro {
namespace {

// What a model folder calls its tokenizer. Where there is a sentencepiece model, a tokenizer.json was made from it.
constexpr const char* kNames[] = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "tokenizer.json",
                                  "vocab.txt"};

std::filesystem::path FindInFolder(const std::filesystem::path& folder) {
  for (const auto* name : kNames) {
    if (std::filesystem::is_regular_file(folder / name)) return folder / name;
  }
  Throw(ErrorCode::kNotFound, "{} holds no tokenizer: neither tokenizer.json nor vocab.txt nor a sentencepiece model",
        folder.string());
}

}  // namespace

std::unique_ptr<Tokenizer> LoadTokenizerFile(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) Throw(ErrorCode::kNotFound, "{} does not exist", path.string());
  const auto file = std::filesystem::is_directory(path) ? FindInFolder(path) : path;
  const auto extension = file.extension();
  if (extension == ".json") return LoadTokenizerJson(file);
  if (extension == ".txt") return LoadWordPieceVocabulary(file);
  if (extension == ".model") return LoadSentencePiece(file);
  Throw(ErrorCode::kInvalidArgument,
        "{} is not a known kind of tokenizer file: give a tokenizer.json, a vocab.txt or a .model of sentencepiece",
        file.string());
}

}  // namespace retro
