// Databases compared, exported and imported.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/npy.h"
#include "index-builder/compare_databases.h"
#include "index-builder/export_database.h"
#include "index-builder/import_database.h"
#include "index-builder/living_chunks.h"
#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::string>;

struct TransferDatabase : UpdatedDatabase {
  TransferDatabase() {
    BuildFrom(out(), NumberedDocuments(0, 12));
    Add(NumberedDocuments(12, 5));
    Remove({.ids = {"doc/3", "doc/14"}, .sources = {}});
  }

  fs::path lines() const { return folder / "chunks.jsonl"; }
  fs::path rows() const { return folder / "rows.npy"; }
  ExportReport Export() const { return ExportDatabase(out(), tokenizer, lines(), rows()); }
  Manifest Import(const fs::path& from, ImportOptions options = {}) {
    options.index.chunk_len = 16;
    return ImportDatabase(from, rows(), tokenizer, *embedder, folder / "imported", options, pool);
  }
  void SaveRows(const std::vector<float>& values, uint64_t columns = 32) const { WriteNpy(rows(), values, columns); }
};

TEST(ExportDatabase, WritesEveryChunkThatIsNotRemovedWithItsEmbedding) {
  TransferDatabase test;
  const ExportReport report = test.Export();
  const auto database = test.Open();
  EXPECT_EQ(report.chunks, database->chunks().num_chunks() - database->chunks().num_removed_chunks());
  const NpyMatrix rows = ReadNpy(test.rows());
  ASSERT_EQ(rows.num_rows, report.chunks);
  EXPECT_EQ(rows.num_columns, 32u);
  std::istringstream lines(ReadText(test.lines()));
  std::string line;
  for (uint64_t row = 0; std::getline(lines, line); ++row) {
    const auto json = nlohmann::json::parse(line);
    const ChunkRecord chunk = database->chunks().Get({json.at("chunk").get<uint64_t>()});
    EXPECT_FALSE(database->chunks().IsRemoved(chunk.id));
    EXPECT_EQ(json.at("tokens").get<std::vector<TokenId>>(), chunk.tokens);
    EXPECT_EQ(json.at("position"), chunk.position);
    EXPECT_EQ(json.at("document"), database->chunks().Document(chunk.document).id);
    EXPECT_EQ(json.at("text"), test.tokenizer.Decode(chunk.tokens));
    const std::string text = json.at("text");
    const std::string_view view = text;
    std::vector<float> expected(32);
    test.embedder->Embed({&view, 1}, expected, test.pool);
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(rows.Row(row)[i], expected[i], 1e-3);
  }
}

TEST(ExportDatabase, RefusesEmbeddingsThatWereNotKept) {
  UpdatedDatabase test;
  IndexOptions options = TestDatabase::Options();
  options.factory = "IVF4,PQ16x4fs";
  options.keep_embeddings = false;
  test.BuildFrom(test.out(), NumberedDocuments(0, 30), options);
  EXPECT_ERROR(ExportDatabase(test.out(), test.tokenizer, test.folder / "a", test.folder / "b"),
               ErrorCode::kInvalidArgument, "not kept");
  EXPECT_FALSE(fs::exists(test.folder / "a"));
  EXPECT_GT(ExportDatabase(test.out(), test.tokenizer, test.folder / "a", {}).chunks, 0u);
}

TEST(ImportDatabase, WhatWasExportedComesBackWhole) {
  TransferDatabase test;
  test.Export();
  test.Import(test.lines());
  const auto imported = test.Open(test.folder / "imported"), exported = test.Open();
  EXPECT_EQ(test.SearchTexts(*imported, {.k = 30}), test.SearchTexts(*exported, {.k = 30}));
  const nlohmann::json difference = CompareDatabases(test.out(), test.folder / "imported");
  EXPECT_TRUE(difference["documents"]["changed"].empty());
  EXPECT_EQ(difference["documents"]["same"], 15);
  const nlohmann::json report = VerifyIndex(test.folder / "imported", test.tokenizer, *test.embedder, {}, test.pool);
  EXPECT_TRUE(report["ok"]) << report.dump(2);
}

TEST(ImportDatabase, DocumentsAreCutIntoAsManyChunksAsThereAreRows) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 9));
  const fs::path rows = test.folder / "rows.npy", to = test.folder / "imported";
  ExportDatabase(test.out(), test.tokenizer, test.folder / "lines.jsonl", rows);
  ImportOptions options;
  options.index.chunk_len = 16;
  const fs::path documents = test.Write("documents.jsonl", NumberedDocuments(0, 9));
  ImportDatabase(documents, rows, test.tokenizer, *test.embedder, to, options, test.pool);
  EXPECT_EQ(test.SearchTexts(*test.Open(to), {.k = 30}), test.SearchTexts(*test.Open(), {.k = 30}));
  options.index.chunk_len = 20;
  EXPECT_ERROR(ImportDatabase(documents, rows, test.tokenizer, *test.embedder, to, options, test.pool),
               ErrorCode::kInvalidArgument, "rows, but");
  EXPECT_EQ(test.Open(to)->chunks().chunk_len(), 16u);  // the older database is whole
}

TEST(ImportDatabase, RefusesEmbeddingsThatAreNotThoseOfTheChunks) {
  TransferDatabase test;
  test.Export();
  const NpyMatrix good = ReadNpy(test.rows());
  test.SaveRows(std::vector<float>(good.values.begin(), good.values.end() - 32));
  EXPECT_ERROR(test.Import(test.lines()), ErrorCode::kInvalidArgument, "a row for each chunk");
  test.SaveRows(good.values, 16);
  EXPECT_ERROR(test.Import(test.lines()), ErrorCode::kInvalidArgument, "16 columns");
  std::vector<float> bad = good.values;
  bad[70] = std::numeric_limits<float>::quiet_NaN();
  test.SaveRows(bad);
  EXPECT_ERROR(test.Import(test.lines()), ErrorCode::kInvalidArgument, "row 2 has the value");
  std::vector<float> turned(good.values.rbegin(), good.values.rend());
  test.SaveRows(turned);
  EXPECT_ERROR(test.Import(test.lines()), ErrorCode::kInvalidArgument, "cosine");
  test.SaveRows(good.values);
  ImportOptions named;
  named.fingerprint = "another encoder";
  EXPECT_ERROR(test.Import(test.lines(), named), ErrorCode::kInvalidArgument, "another encoder");
  EXPECT_FALSE(fs::exists(test.folder / "imported"));
  EXPECT_FALSE(fs::exists(test.folder / "imported.building"));
}

TEST(ImportDatabase, RefusesLinesThatAreNoChunksInOrder) {
  TransferDatabase test;
  test.Export();
  const std::string lines = ReadText(test.lines());
  const size_t second = lines.find('\n') + 1, third = lines.find('\n', second) + 1;
  WriteText(test.lines(), lines.substr(0, second) + lines.substr(third));
  EXPECT_ERROR(test.Import(test.lines()), ErrorCode::kInvalidArgument, "chunks.jsonl:2");
  WriteText(test.lines(), lines.substr(0, second) + "{\"document\":3}\n" + lines.substr(second));
  EXPECT_ERROR(test.Import(test.lines()), ErrorCode::kInvalidArgument, "chunks.jsonl:2");
}

TEST(CompareDatabases, NamesWhatWasAddedRemovedAndChanged) {
  UpdatedDatabase test;
  test.BuildFrom(test.folder / "a", NumberedDocuments(0, 12));
  IndexOptions other = TestDatabase::Options();
  other.seed = 4;
  test.BuildFrom(test.out(), NumberedDocuments(2, 12), other);
  test.Add(NumberedDocuments(5, 1, /*seed=*/2));
  const nlohmann::json difference = CompareDatabases(test.folder / "a", test.out());
  EXPECT_FALSE(difference["same"]);
  EXPECT_EQ(difference["documents"]["removed"], (Ids{"doc/0", "doc/1"}));
  EXPECT_EQ(difference["documents"]["added"], (Ids{"doc/12", "doc/13"}));
  EXPECT_EQ(difference["documents"]["changed"], (Ids{"doc/5"}));
  EXPECT_EQ(difference["documents"]["same"], 9);
  EXPECT_EQ(difference["options"].size(), 1u);
  EXPECT_EQ(difference["options"]["seed"]["b"], 4);
  EXPECT_EQ(difference["chunks"]["b"], test.Open()->manifest().counts.at("chunks"));
  EXPECT_TRUE(CompareDatabases(test.out(), test.out())["same"]);
}

TEST(SurveyContents, CountsWhatIsNotRemovedBySource) {
  TransferDatabase test;
  const auto chunks = OpenChunks(test.out());
  const nlohmann::json survey = SurveyContents(*chunks);
  EXPECT_EQ(survey["sources"]["odd"]["documents"], 7);
  EXPECT_EQ(survey["sources"]["even"]["documents"], 8);
  const auto counts = test.Open()->manifest().counts;
  for (const char* what : {"chunks", "tokens"}) {
    EXPECT_EQ(survey["sources"]["odd"][what].get<uint64_t>() + survey["sources"]["even"][what].get<uint64_t>(),
              counts.at(what));
  }
  EXPECT_GT(survey["short_chunks"], 0);
  EXPECT_LE(survey["short_chunks"], 15);
}

TEST(VerifyIndex, AllPartsAndTheRemovedDocumentsAreLookedAt) {
  TransferDatabase test;
  const auto failure = [&] {
    const auto report = VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool);
    for (const auto& check : report["checks"]) {
      if (!check["ok"]) return check["name"].get<std::string>();
    }
    return report["ok"] ? std::string() : std::string("?");
  };
  EXPECT_EQ(failure(), "");
  const auto spoil = [&](const std::string& name) {
    const std::string good = ReadText(test.out() / name);
    std::string bad = good;
    bad[bad.size() / 2] ^= 8;
    WriteText(test.out() / name, bad);
    const std::string found = failure();
    WriteText(test.out() / name, good);
    return found;
  };
  EXPECT_EQ(spoil("manifest.json"), "manifest");
  EXPECT_EQ(spoil("removed/000002.removed"), "manifest");
  EXPECT_EQ(spoil("parts/000000/manifest.json"), "parts/000000: manifest");
  EXPECT_EQ(spoil("parts/000001/vectors.index"), "parts/000001: files");
  DatabaseGeneration wrong = DatabaseGeneration::Load(test.out());
  ++wrong.removed.front().first_chunk;
  wrong.Publish(test.out());
  EXPECT_EQ(failure(), "parts/000000: removed");
}

TEST(IndexStats, CountsAllPartsAndWhatWasRemoved) {
  TransferDatabase test;
  const nlohmann::json stats = IndexStats(test.out());
  EXPECT_EQ(stats["documents"], 15);
  EXPECT_EQ(stats["removed"]["documents"], 2);
  EXPECT_EQ(stats["parts"].size(), 2u);
  EXPECT_EQ(stats["generation"], 2);
  EXPECT_GT(stats["bytes_per_token"], 2.0);
  EXPECT_EQ(stats["bytes"]["vectors.index"], fs::file_size(test.out() / "parts/000000/vectors.index") +
                                                 fs::file_size(test.out() / "parts/000001/vectors.index"));
}

}  // namespace
}  // namespace retro
