// Databases that change, and what one of them must have in common with a database built at once.
#pragma once

#include <algorithm>
#include <set>

#include "index-builder/database_updater.h"
#include "retriever/retrieval_database.h"
#include "tests/index-builder/test_database.h"

namespace retro {

struct UpdatedDocument {
  std::string id, source, text;
  std::string date = {};
};

// Numbered documents of words that all differ, of the sources "even" and "odd".
inline std::vector<UpdatedDocument> NumberedDocuments(int first, int count, uint32_t seed = 1) {
  std::vector<UpdatedDocument> documents;
  for (int i = first; i < first + count; ++i) {
    std::mt19937 random(seed * 1000 + static_cast<uint32_t>(i));
    std::string text;
    for (int word = 0; word < 12 + i % 5; ++word) {
      for (int letter = 0; letter < 5; ++letter) text += static_cast<char>('a' + random() % 26);
      text += ' ';
    }
    documents.push_back({"doc/" + std::to_string(i), i % 2 == 0 ? "even" : "odd", text});
  }
  return documents;
}

// A result of a search as it must be whatever the chunks' numbers are.
struct FoundText {
  std::string document, text;
  uint64_t position = 0;
  float distance = 0;

  friend bool operator==(const FoundText&, const FoundText&) = default;
};

struct UpdatedDatabase : TestDatabase {
  UpdatedDatabase() { Progress::SetEnabled(false); }

  std::filesystem::path Write(const std::string& name, const std::vector<UpdatedDocument>& documents) const {
    std::string lines;
    for (const UpdatedDocument& document : documents) {
      const nlohmann::json line = {
          {"id", document.id}, {"source", document.source}, {"text", document.text}, {"date", document.date}};
      lines += line.dump() + "\n";
    }
    WriteText(folder / name, lines);
    return folder / name;
  }

  void BuildFrom(const std::filesystem::path& to, const std::vector<UpdatedDocument>& documents,
                 const IndexOptions& options = Options()) {
    BuildIndex({Write("build.jsonl", documents)}, tokenizer, *embedder, to, options, pool);
  }
  UpdateReport Add(const std::vector<UpdatedDocument>& documents, const UpdateOptions& options = {}) {
    return AddDocuments(out(), {Write("add.jsonl", documents)}, tokenizer, *embedder, options, pool);
  }
  UpdateReport Remove(const DocumentSelection& selection, const UpdateOptions& options = {}) {
    return RemoveDocuments(out(), selection, options);
  }
  UpdateReport Compact(const UpdateOptions& options = {}) {
    return CompactDatabase(out(), tokenizer, *embedder, options, pool);
  }

  std::unique_ptr<RetrievalDatabase> Open(const std::filesystem::path& where) const {
    return std::make_unique<RetrievalDatabase>(where, embedder, std::make_shared<ByteTokenizer>());
  }
  std::unique_ptr<RetrievalDatabase> Open() const { return Open(out()); }

  std::vector<std::vector<Neighbour>> Search(const RetrievalDatabase& database, const SearchOptions& options) {
    std::vector<std::string> texts;
    for (const UpdatedDocument& document : NumberedDocuments(0, 40)) texts.push_back(document.text.substr(3, 20));
    return database.Search(std::vector<std::string_view>(texts.begin(), texts.end()), options, pool);
  }

  std::vector<std::vector<FoundText>> SearchTexts(const RetrievalDatabase& database, const SearchOptions& options) {
    std::vector<std::vector<FoundText>> texts;
    for (const auto& row : Search(database, options)) {
      auto& found = texts.emplace_back();
      for (const Neighbour& neighbour : row) {
        const Passage passage = database.GetPassage(neighbour, true);
        found.push_back({passage.document.id, passage.text, passage.position, neighbour.distance});
      }
    }
    return texts;
  }

  // Names of all files and folders in the database but those of RocksDB.
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(out())) {
      const std::string name = std::filesystem::relative(entry.path(), out());
      if (name.find("chunks/") == std::string::npos) names.insert(name);
    }
    return names;
  }
};

}  // namespace retro
