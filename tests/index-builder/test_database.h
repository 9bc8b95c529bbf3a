// Builds of small databases, and how two of them are compared.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/progress.h"
#include "core/thread_pool.h"
#include "index-builder/index_builder.h"
#include "retriever/chunk_store.h"
#include "tests/testing/byte_tokenizer.h"
#include "tests/testing/hashing_embedder.h"
#include "tests/testing/packed_file.h"
#include "tests/testing/temp_dir.h"

namespace retro {

// What a step throws in place of a power cut.
struct Killed {};

// Documents of random words, all different, as JSON lines.
inline std::string RandomDocuments(int count, int words) {
  std::mt19937 random(1);
  std::string lines;
  for (int i = 0; i < count; ++i) {
    std::string text;
    for (int word = 0; word < words + i % 5; ++word) {
      for (int letter = 0; letter < 5; ++letter) text += static_cast<char>('a' + random() % 26);
      text += ' ';
    }
    lines += nlohmann::json{{"id", "doc/" + std::to_string(i)}, {"title", "Title " + std::to_string(i)}, {"text", text}}
                 .dump() +
             "\n";
  }
  return lines;
}

struct TestDatabase {
  TempDir folder;
  ByteTokenizer tokenizer;
  std::shared_ptr<const Embedder> embedder = MakeHashingEmbedder();
  ThreadPool pool{2};

  explicit TestDatabase(int documents = 10, int words = 20) {
    Progress::SetEnabled(false);
    WriteText(input(), RandomDocuments(documents, words));
  }

  std::filesystem::path input() const { return folder / "input.jsonl"; }
  std::filesystem::path out() const { return folder / "db"; }
  std::filesystem::path staging() const { return folder / "db.building"; }

  static IndexOptions Options() { return {.chunk_len = 16, .block_chunks = 32}; }

  Manifest Build(const IndexOptions& options = Options()) { return Build(out(), options); }
  Manifest Build(const std::filesystem::path& to, const IndexOptions& options) {
    return BuildIndex({input()}, tokenizer, *embedder, to, options, pool);
  }
};

// All that two builds of one database must have in common: the bytes of embeddings and index, every chunk with its
// document, and the manifest without what names files of RocksDB or was timed.
inline std::map<std::string, std::string> Contents(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder);
    if (!entry.is_regular_file() || name.starts_with("chunks/") || name == "manifest.json") continue;
    contents[name] = ReadText(entry.path());
  }
  const ChunkStore store(folder / "chunks");
  std::vector<ChunkRecord> chunks;
  store.ReadRange({0}, store.num_chunks(), chunks);
  for (const ChunkRecord& chunk : chunks) {
    std::string& text = contents["chunk " + std::to_string(chunk.id.value)];
    text = store.Document(chunk.document).id + " " + std::to_string(chunk.position) + ":";
    for (const TokenId token : chunk.tokens) text.append(" ").append(std::to_string(token));
  }
  const Manifest manifest = Manifest::Load(folder, "retrieval database");
  nlohmann::json counts = manifest.counts;
  counts.erase("seconds");
  counts.erase("contents");  // checksums of the above; merged and imported parts have none
  if (counts.contains("index")) counts["index"].erase("query_us");
  contents["counts"] = counts.dump();
  contents["options"] = manifest.options.dump() + manifest.fingerprints.dump();
  return contents;
}

}  // namespace retro
