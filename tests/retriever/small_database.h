// A retrieval database of a few short texts, of bytes and hashes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "retriever/retrieval_database.h"
#include "tests/retriever/random_vectors.h"
#include "tests/testing/hashing_embedder.h"

namespace retro {

inline constexpr uint32_t kChunkLen = 16;

// A database as index-builder makes it, of one short text a document.
inline void WriteDatabase(const std::filesystem::path& folder, const std::vector<std::string>& texts, bool embeddings) {
  const ByteTokenizer tokenizer;
  const auto embedder = MakeHashingEmbedder();
  ThreadPool pool(1);
  MakeDirectories(folder);
  std::vector<float> rows;
  ChunkStoreWriter writer(folder / "chunks", kChunkLen, tokenizer.vocab_size());
  for (const std::string& text : texts) {
    const std::string number = std::to_string(writer.num_documents());
    writer.Append({"id-" + number, "Title " + number, "", "", ""}, tokenizer.Encode(text));
    for (size_t begin = 0; begin < text.size(); begin += kChunkLen) {
      const std::string_view chunk = std::string_view(text).substr(begin, kChunkLen);
      rows.resize(rows.size() + embedder->dim());
      embedder->Embed({&chunk, 1}, std::span(rows).last(embedder->dim()), pool);
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
  manifest.counts = {{"chunks", chunks}, {"index", {{"nprobe", 0}, {"rerank_factor", 2}}}};
  manifest.AddFile(folder, "chunks");
  manifest.AddFile(folder, "vectors.index");
  if (embeddings) {
    WriteEmbeddings(folder / "embeddings", rows, embedder->dim(), 2);
    manifest.AddFile(folder, "embeddings");
  }
  manifest.Save(folder);
}

}  // namespace retro
