// Documents made of bytes, for tests of the language-model evaluation.
#pragma once

#include <string>

#include "evaluation/lm_documents.h"

namespace retro {

// Token 256, then the bytes; chunks of `chunk_len` tokens.
inline LmDocument MakeLmDocument(std::string id, const std::string& text, uint32_t chunk_len,
                                 std::string source = "made") {
  LmDocument document;
  document.id = std::move(id);
  document.source = std::move(source);
  document.tokens = {256};
  document.has_prefix = true;
  for (const char c : text) document.tokens.push_back(static_cast<unsigned char>(c));
  document.words = CountWords(text);
  document.bytes = text.size();
  for (size_t begin = 0; begin < document.tokens.size(); begin += chunk_len) {
    const size_t end = std::min(begin + chunk_len, document.tokens.size());
    document.chunk_bytes.push_back(end - std::max<size_t>(1, begin));
  }
  return document;
}

}  // namespace retro
