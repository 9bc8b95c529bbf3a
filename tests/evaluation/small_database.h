// A retrieval database of a few documents whose tokens are bytes, as index-builder makes it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "retriever/passage_text.h"
#include "retriever/retrieval_database.h"
#include "tests/testing/hashing_embedder.h"

namespace retro {

struct SmallDocument {
  std::string id, text;
};

inline std::vector<float> EmbedText(const Embedder& embedder, std::string_view text) {
  ThreadPool pool(1);
  std::vector<float> row(embedder.dim());
  embedder.Embed({&text, 1}, row, pool);
  return row;
}

inline void WriteSmallDatabase(const std::filesystem::path& folder, const std::vector<SmallDocument>& documents,
                               uint32_t chunk_len) {
  const ByteTokenizer tokenizer;
  const auto embedder = MakeHashingEmbedder();
  MakeDirectories(folder);
  std::vector<float> rows;
  ChunkStoreWriter writer(folder / "chunks", chunk_len, static_cast<uint32_t>(tokenizer.vocab_size()));
  for (const SmallDocument& document : documents) {
    writer.Append({.id = document.id, .title = "", .source = "", .url = "", .licence = ""},
                  tokenizer.Encode(document.text));
    for (size_t begin = 0; begin < document.text.size(); begin += chunk_len) {
      const std::vector<TokenId> tokens = tokenizer.Encode(document.text.substr(begin, chunk_len));
      const std::vector<float> row = EmbedText(*embedder, PassageText(tokenizer, tokens));
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  writer.CommitBlock();
  const uint64_t chunks = writer.num_chunks();
  writer.Finish();
  VectorIndex index(embedder->dim(), "Flat");
  index.Add(rows);
  index.Save(folder / "vectors.index");
  Manifest manifest;
  manifest.kind = "retrieval database";
  manifest.fingerprints = {{"tokenizer", tokenizer.fingerprint()}, {"embedder", embedder->fingerprint()}};
  manifest.counts = {{"chunks", chunks}, {"index", {{"nprobe", 0}, {"rerank_factor", 1}}}};
  manifest.AddFile(folder, "chunks");
  manifest.AddFile(folder, "vectors.index");
  manifest.Save(folder);
}

inline std::unique_ptr<RetrievalDatabase> OpenSmallDatabase(const std::filesystem::path& folder) {
  return std::make_unique<RetrievalDatabase>(folder, MakeHashingEmbedder(), std::make_shared<ByteTokenizer>());
}

}  // namespace retro
