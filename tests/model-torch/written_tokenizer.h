// A tokenizer on disk for models whose vocabulary is tiny.
#pragma once

#include <filesystem>
#include <string>

#include "core/file.h"
#include "datasets/tokenizer_export.h"
#include "tests/testing/temp_dir.h"

namespace retro {

// A tokenizer of `num_tokens` single bytes, as small as the golden models' vocabularies.
inline std::filesystem::path WriteByteTokenizer(const TempDir& dir, int num_tokens = 8) {
  ByteLevelBpeModel model;
  for (int i = 0; i < num_tokens; ++i) {
    model.tokens.push_back(ByteLevelSpelling(std::string(1, static_cast<char>('!' + i))));
  }
  WriteFileAtomically(dir / "tokenizer.json", TokenizerJson(model).dump());
  return dir / "tokenizer.json";
}

}  // namespace retro
