// A retrieval database of a few documents, of bytes and hashes, as index-builder makes it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "retriever/passage_text.h"
#include "retriever/retrieval_database.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/hashing_embedder.h"

namespace retro {

struct SmallDocument {
  std::string id, text, title = {};
};

inline std::vector<float> EmbedText(const Embedder& embedder, std::string_view text) {
  ThreadPool pool(1);
  std::vector<float> row(embedder.dim());
  embedder.Embed({&text, 1}, row, pool);
  return row;
}

// Stores the documents and gives back their chunks' embeddings.
inline std::vector<float> WriteSmallChunks(const std::filesystem::path& folder,
                                           const std::vector<SmallDocument>& documents, uint32_t chunk_len) {
  const ByteTokenizer tokenizer;
  const auto embedder = MakeHashingEmbedder();
  std::vector<float> rows;
  ChunkStoreWriter writer(folder, chunk_len, static_cast<uint32_t>(tokenizer.vocab_size()));
  for (const SmallDocument& document : documents) {
    writer.Append({.id = document.id, .title = document.title, .source = "", .url = "", .licence = ""},
                  tokenizer.Encode(document.text));
    for (size_t begin = 0; begin < document.text.size(); begin += chunk_len) {
      const std::vector<TokenId> tokens = tokenizer.Encode(document.text.substr(begin, chunk_len));
      const std::vector<float> row = EmbedText(*embedder, PassageText(tokenizer, tokens));
      rows.insert(rows.end(), row.begin(), row.end());
    }
  }
  writer.CommitBlock();
  writer.Finish();
  return rows;
}

// `embeddings`: kept, in blocks of two rows.
inline void WriteSmallDatabase(const std::filesystem::path& folder, const std::vector<SmallDocument>& documents,
                               uint32_t chunk_len, bool embeddings = false) {
  const auto embedder = MakeHashingEmbedder();
  MakeDirectories(folder);
  const std::vector<float> rows = WriteSmallChunks(folder / "chunks", documents, chunk_len);
  VectorIndex index(embedder->dim(), "Flat");
  index.Add(rows);
  index.Save(folder / "vectors.index");
  Manifest manifest;
  manifest.kind = "retrieval database";
  manifest.fingerprints = {{"tokenizer", ByteTokenizer().fingerprint()}, {"embedder", embedder->fingerprint()}};
  manifest.counts = {
      {"documents", documents.size()}, {"chunks", index.size()}, {"index", {{"nprobe", 0}, {"rerank_factor", 2}}}};
  manifest.AddFile(folder, "chunks");
  manifest.AddFile(folder, "vectors.index");
  if (embeddings) {
    WriteEmbeddings(folder / "embeddings", rows, embedder->dim(), 2);
    manifest.AddFile(folder, "embeddings");
  }
  manifest.Save(folder);
}

inline std::unique_ptr<RetrievalDatabase> OpenSmallDatabase(const std::filesystem::path& folder) {
  return std::make_unique<RetrievalDatabase>(folder, MakeHashingEmbedder(), std::make_shared<ByteTokenizer>());
}

}  // namespace retro
