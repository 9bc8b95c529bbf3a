#include "model/load_tokenizer.h"

#include "datasets/byte_level_bpe.h"
#include "model/gguf_tokenizer.h"
#include "model/model_files.h"

namespace retro {

std::unique_ptr<Tokenizer> LoadTokenizer(const std::filesystem::path& path) {
  const std::filesystem::path model = ResolveModelPath(path);
  if (!IsGguf(model)) return LoadTokenizerFile(model);
  return MakeByteLevelBpe(ReadGgufTokenizer(GgufFile(model)), model.string());
}

}  // namespace retro
