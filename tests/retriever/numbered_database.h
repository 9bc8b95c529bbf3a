// A small database of texts alone, whose documents are numbered.
#pragma once

#include "tests/testing/small_database.h"

namespace retro {

inline constexpr uint32_t kNumberedChunkLen = 16;

inline void WriteDatabase(const std::filesystem::path& folder, const std::vector<std::string>& texts, bool embeddings) {
  std::vector<SmallDocument> documents;
  for (const std::string& text : texts) {
    const std::string number = std::to_string(documents.size());
    documents.push_back({.id = "id-" + number, .text = text, .title = "Title " + number});
  }
  WriteSmallDatabase(folder, documents, kNumberedChunkLen, embeddings);
}

}  // namespace retro
