// A corpus whose documents share texts, its retrieval database, and what is needed to look into neighbour tables of
// them.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "datasets/neighbour_table.h"
#include "index-builder/neighbour_builder.h"
#include "retriever/half_embeddings.h"
#include "retriever/passage_text.h"
#include "tests/index-builder/test_database.h"

namespace retro {

constexpr uint32_t kTestChunkLen = 16;

// Sentences from a small stock, so that runs of tokens are shared between documents of unequal lengths.
inline std::string SharedDocuments(int count, const std::string& prefix = "doc/") {
  std::mt19937 random(11);
  std::vector<std::string> stock(12);
  for (std::string& sentence : stock) {
    for (int letter = 0; letter < 21; ++letter) sentence += static_cast<char>('a' + random() % 26);
    sentence += ". ";
  }
  std::string lines;
  for (int i = 0; i < count; ++i) {
    std::string text = std::to_string(random() % 1000) + " ";
    const auto sentences = 1 + random() % 7;
    for (size_t j = 0; j < sentences; ++j) text += stock[random() % stock.size()] + std::string(random() % 3, '-');
    lines += nlohmann::json{{"id", prefix + std::to_string(i)}, {"text", text}}.dump() + "\n";
  }
  return lines;
}

struct TestNeighbours : TestDatabase {
  std::optional<RetrievalDatabase> database;

  explicit TestNeighbours(const std::string& documents = SharedDocuments(40), IndexOptions index = Options())
      : TestDatabase(1, 1) {
    MakeCorpus("corpus", documents);
    OpenDatabase(folder / "corpus", index);
  }

  std::filesystem::path corpus() const { return folder / "corpus"; }
  std::filesystem::path table() const { return folder / "table"; }
  std::filesystem::path table_staging() const { return folder / "table.building"; }

  void MakeCorpus(const std::string& name, const std::string& documents, const Tokenizer& with = ByteTokenizer()) {
    WriteText(folder / (name + ".jsonl"), documents);
    BuildCorpus({folder / (name + ".jsonl")}, with, folder / name, {.max_shard_tokens = 2000}, pool);
  }

  void OpenDatabase(const std::filesystem::path& of, const IndexOptions& index) {
    database.reset();
    BuildIndex({of}, tokenizer, *embedder, out(), index, pool);
    database.emplace(out(), embedder, std::make_shared<ByteTokenizer>());
  }

  // Small blocks, four chunks a sequence, and every database chunk a candidate.
  NeighbourOptions Everything() const {
    NeighbourOptions options;
    options.seq_len = 4 * kTestChunkLen;
    options.search = {.candidates = static_cast<uint32_t>(database->chunks().num_chunks()) + 5, .block_rows = 50};
    options.selection.k = 3;
    return options;
  }
  NeighbourOptions Few() const {
    NeighbourOptions options = Everything();
    options.search.candidates = 20;
    return options;
  }

  Manifest BuildTable(const NeighbourOptions& options) { return BuildTable(table(), options); }
  Manifest BuildTable(const std::filesystem::path& to, const NeighbourOptions& options) {
    return BuildNeighbours(corpus(), *database, to, options, pool);
  }

  // The tokens of a chunk and of its continuation, taken from the corpus the database was made from.
  std::vector<TokenId> Neighbour(uint64_t id) const {
    std::vector<TokenId> tokens(2 * kTestChunkLen);
    std::vector<uint32_t> length(1);
    const ChunkId chunk{id};
    database->chunks().GetNeighbours({&chunk, 1}, tokens, length);
    tokens.resize(length[0]);
    return tokens;
  }
  std::string DocumentOf(uint64_t id) const {
    return database->chunks().Document(database->chunks().Get({id}).document).id;
  }

  std::vector<double> EmbeddingOf(std::span<const TokenId> tokens) {
    const std::string text = PassageText(tokenizer, tokens);
    const std::string_view view = text;
    std::vector<float> row(embedder->dim());
    embedder->Embed({&view, 1}, row, pool);
    return {row.begin(), row.end()};
  }

  // As the database has it: in half precision.
  std::vector<double> StoredEmbedding(uint64_t id) {
    const std::vector<double> exact = EmbeddingOf(database->chunks().Get({id}).tokens);
    const std::vector<float> values(exact.begin(), exact.end());
    std::vector<uint16_t> halves(values.size());
    std::vector<float> rounded(values.size());
    FloatToHalf(values, halves);
    HalfToFloat(halves, rounded);
    return {rounded.begin(), rounded.end()};
  }
};

// The tokens of a corpus in one row, with the id of the document that each is of.
struct FlatCorpus {
  std::vector<TokenId> tokens;
  std::vector<std::string> documents;

  explicit FlatCorpus(const std::filesystem::path& folder) {
    const Corpus corpus(folder);
    for (uint64_t i = 0; i < corpus.num_documents(); ++i) {
      corpus.AppendTokens({i}, tokens);
      documents.resize(tokens.size(), corpus.Info({i}).id);
    }
  }

  std::set<std::string> DocumentsOfSequence(uint64_t sequence, uint32_t seq_len) const {
    const auto begin = documents.begin() + static_cast<int64_t>(sequence * seq_len);
    return {begin, begin + seq_len + 1};
  }
  std::vector<TokenId> Chunk(uint64_t row) const {
    const auto begin = std::min<uint64_t>(row * kTestChunkLen, tokens.size());
    const auto end = std::min<uint64_t>(begin + kTestChunkLen, tokens.size());
    return {tokens.begin() + static_cast<int64_t>(begin), tokens.begin() + static_cast<int64_t>(end)};
  }
};

// Relative path -> bytes of every file below a folder.
inline std::map<std::string, std::string> FilesOf(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[std::filesystem::relative(entry.path(), folder)] = ReadText(entry.path());
  }
  return files;
}

}  // namespace retro
