#include "index-builder/verify_index.h"

#include <gtest/gtest.h>

#include "tests/index-builder/test_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// The name of the first check that failed; empty when all passed.
std::string FirstFailure(const TestDatabase& test, const fs::path& folder, ThreadPool& pool) {
  const nlohmann::json report = VerifyIndex(folder, test.tokenizer, *test.embedder, {}, pool);
  for (const nlohmann::json& check : report["checks"]) {
    if (!check["ok"]) return check["name"];
  }
  EXPECT_TRUE(report["ok"]);
  return "";
}

TEST(VerifyIndex, AGoodDatabasePassesEveryCheck) {
  TestDatabase test;
  test.Build();
  const nlohmann::json report = VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool);
  EXPECT_TRUE(report["ok"]) << report.dump(2);
  EXPECT_EQ(report["checks"].size(), 7u);  // manifest, files, open, counts, chunks, sample, corpus
}

TEST(VerifyIndex, AFlippedBitInAnyFileIsFoundBeforeTheFileIsOpened) {
  TestDatabase test;
  IndexOptions options = TestDatabase::Options();
  options.keep_embeddings = true;
  const Manifest manifest = test.Build(options);
  for (const auto& [name, entry] : manifest.files.items()) {
    const std::string good = ReadText(test.out() / name);
    if (good.empty()) continue;
    std::string bad = good;
    bad[bad.size() / 3] ^= 16;
    WriteText(test.out() / name, bad);
    EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "files") << name;
    WriteText(test.out() / name, good);
  }
  EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "");
}

TEST(VerifyIndex, ADamagedManifestAndAMissingFileAreFound) {
  TestDatabase test;
  test.Build();
  const std::string good = ReadText(test.out() / "manifest.json");
  std::string bad = good;
  bad[good.size() / 2] ^= 1;
  WriteText(test.out() / "manifest.json", bad);
  EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "manifest");
  WriteText(test.out() / "manifest.json", good);
  fs::remove(test.out() / "vectors.index");
  EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "files");
}

TEST(VerifyIndex, AnIndexOfAnotherDatabaseIsFoundThoughItsChecksumWasRecorded) {
  TestDatabase test;
  test.Build();
  IndexOptions shorter = TestDatabase::Options();
  shorter.chunk_len = 12;
  test.Build(test.folder / "other", shorter);
  fs::copy_file(test.folder / "other/vectors.index", test.out() / "vectors.index",
                fs::copy_options::overwrite_existing);
  Manifest manifest = Manifest::Load(test.out(), "retrieval database");
  manifest.AddFile(test.out(), "vectors.index");
  manifest.Save(test.out());
  EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "counts");
}

TEST(VerifyIndex, EmbeddingsOfAnotherEmbedderAreFound) {
  TestDatabase test;
  test.Build();
  test.embedder = MakeHashingEmbedder(5);
  EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "sample");
  Manifest manifest = Manifest::Load(test.out(), "retrieval database");
  manifest.fingerprints["embedder"] = test.embedder->fingerprint();
  manifest.Save(test.out());
  EXPECT_EQ(FirstFailure(test, test.out(), test.pool), "sample");  // its rows are not those of the texts
}

TEST(VerifyIndex, WhatIsNoDatabaseIsNamed) {
  TestDatabase test;
  EXPECT_ERROR(VerifyIndex(test.folder.path(), test.tokenizer, *test.embedder, {}, test.pool), ErrorCode::kNotFound,
               "manifest.json");
  EXPECT_ERROR(IndexStats(test.folder.path()), ErrorCode::kNotFound, "manifest.json");
}

TEST(IndexStats, CountsAndSizesComeFromTheManifest) {
  TestDatabase test;
  const Manifest manifest = test.Build();
  const nlohmann::json stats = IndexStats(test.out());
  EXPECT_EQ(stats["documents"], 10);
  EXPECT_EQ(stats["chunks"], manifest.counts["chunks"]);
  EXPECT_EQ(stats["bytes"]["vectors.index"], fs::file_size(test.out() / "vectors.index"));
  EXPECT_GT(stats["bytes"]["total"], stats["bytes"]["vectors.index"]);
  EXPECT_EQ(stats["bytes"]["embeddings"], 0);
}

}  // namespace
}  // namespace retro
