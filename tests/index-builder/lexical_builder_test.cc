#include "index-builder/lexical_builder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

// Chunks of 16 bytes, of words of 5 letters: each has one whole word or two.
IndexOptions Lexical() {
  IndexOptions options = TestDatabase::Options();
  options.lexical = true;
  return options;
}

struct LexicalDatabase : UpdatedDatabase {
  UpdateReport MakeLexical(const UpdateOptions& options = {}) {
    return AddLexicalIndex(out(), tokenizer, options, pool);
  }
  std::vector<std::string> DocumentsFor(const RetrievalDatabase& database, const std::string& text,
                                        const SearchOptions& options) {
    std::vector<std::string> ids;
    for (const Passage& passage : database.SearchPassages(text, options, false, pool))
      ids.push_back(passage.document.id);
    return ids;
  }
};

// A word of the middle of a document that no other one has.
std::string WordOf(const UpdatedDocument& document) { return document.text.substr(18, 5); }

const SearchOptions kByWords{.k = 1, .lexical = LexicalMode::kOnly};

bool Has(const std::vector<Neighbour>& found, ChunkId chunk) {
  return std::ranges::find(found, chunk, &Neighbour::chunk) != found.end();
}

TEST(LexicalBuilder, ABuiltDatabaseFindsTheWordsOfItsChunks) {
  LexicalDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 20), Lexical());
  const auto database = test.Open();
  for (const UpdatedDocument& document : NumberedDocuments(0, 20)) {
    EXPECT_EQ(test.DocumentsFor(*database, WordOf(document), kByWords), std::vector{document.id});
  }
  EXPECT_TRUE(test.DocumentsFor(*database, "nothing like this", kByWords).empty());
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool).at("ok").get<bool>());
  EXPECT_GT(IndexStats(test.out()).at("bytes").at("lexical"), 0);
}

TEST(LexicalBuilder, ADatabaseOfSeveralPartsGetsOneAndRanksAsOneBuiltAtOnce) {
  LexicalDatabase test;
  test.BuildFrom(test.folder / "one", NumberedDocuments(0, 30), Lexical());
  test.BuildFrom(test.out(), NumberedDocuments(0, 11));
  test.Add(NumberedDocuments(11, 19));
  EXPECT_ERROR(test.SearchTexts(*test.Open(), kByWords), ErrorCode::kInvalidArgument, "retro index lexical");
  const auto before = test.Open();
  const UpdateReport report = test.MakeLexical();
  EXPECT_TRUE(report.changed);
  EXPECT_EQ(report.parts, 2u);
  const auto one = test.Open(test.folder / "one"), parts = test.Open();
  for (const LexicalMode mode : {LexicalMode::kOff, LexicalMode::kOnly, LexicalMode::kFuse}) {
    const SearchOptions options{.k = 9, .lexical = mode};
    EXPECT_EQ(test.SearchTexts(*parts, options), test.SearchTexts(*one, options));
  }
  EXPECT_EQ(test.SearchTexts(*before, {.k = 3}), test.SearchTexts(*parts, {.k = 3}));
  EXPECT_FALSE(test.MakeLexical().changed);
  EXPECT_EQ(DatabaseGeneration::Load(test.out()).number, report.generation);
}

TEST(LexicalBuilder, WhatIsAddedLaterIsFoundAndWhatIsRemovedIsNot) {
  LexicalDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  test.MakeLexical();
  test.Add(NumberedDocuments(10, 5));
  test.Remove({.ids = {"doc/3"}, .sources = {}});
  const auto expect_found = [&] {
    const auto database = test.Open();
    for (const UpdatedDocument& document : NumberedDocuments(0, 15)) {
      const auto expected = document.id == "doc/3" ? std::vector<std::string>() : std::vector{document.id};
      EXPECT_EQ(test.DocumentsFor(*database, WordOf(document), kByWords), expected);
    }
  };
  expect_found();
  test.Compact();
  EXPECT_EQ(DatabaseGeneration::Load(test.out()).parts.size(), 1u);
  expect_found();
}

TEST(LexicalBuilder, AFilterHoldsForWordsToo) {
  LexicalDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10), Lexical());
  SearchOptions options = kByWords;
  options.filter.sources = {"odd"};
  const auto database = test.Open();
  EXPECT_TRUE(test.DocumentsFor(*database, WordOf(NumberedDocuments(4, 1)[0]), options).empty());
  EXPECT_EQ(test.DocumentsFor(*database, WordOf(NumberedDocuments(5, 1)[0]), options).size(), 1u);
}

TEST(LexicalBuilder, FusionHasTheNearestAndTheOneWithTheWordInFrontAndTrueDistances) {
  LexicalDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 40), Lexical());
  const auto database = test.Open();
  const std::string text = WordOf(NumberedDocuments(7, 1)[0]) + " " + NumberedDocuments(22, 1)[0].text.substr(2, 13);
  const std::string_view view = text;
  const auto all = database->Search({&view, 1}, {.k = 1000}, test.pool)[0];
  const auto fused = database->Search({&view, 1}, {.k = 10, .lexical = LexicalMode::kFuse}, test.pool)[0];
  ASSERT_EQ(fused.size(), 10u);
  for (const Neighbour& neighbour : fused) {
    const auto same = std::ranges::find(all, neighbour.chunk, &Neighbour::chunk);
    ASSERT_NE(same, all.end());
    EXPECT_NEAR(neighbour.distance, same->distance, 1e-5);
  }
  EXPECT_TRUE(Has(fused, all[0].chunk));
  const auto by_words = database->Search({&view, 1}, kByWords, test.pool)[0];
  EXPECT_TRUE(Has(fused, by_words[0].chunk));
}

TEST(LexicalBuilder, WithoutExactDistancesItSaysHowToKeepEmbeddings) {
  LexicalDatabase test;
  IndexOptions options = Lexical();
  options.factory = "IVF4,SQ8";
  test.BuildFrom(test.out(), NumberedDocuments(0, 30), options);
  EXPECT_ERROR(test.SearchTexts(*test.Open(), kByWords), ErrorCode::kInvalidArgument, "--keep-embeddings");
}

TEST(LexicalBuilder, KilledAfterEachStepTheDatabaseIsWholeAndTheNextCallEndsTheWork) {
  for (const std::string step : {"links", "lexical", "generation"}) {
    LexicalDatabase test;
    test.BuildFrom(test.out(), NumberedDocuments(0, 10));
    UpdateOptions options;
    options.on_step = [&](std::string_view name) {
      if (name == step) throw std::runtime_error("killed");
    };
    EXPECT_THROW(test.MakeLexical(options), std::runtime_error);
    EXPECT_EQ(test.SearchTexts(*test.Open(), {.k = 1}).size(), 40u);
    test.MakeLexical();
    EXPECT_EQ(test.DocumentsFor(*test.Open(), WordOf(NumberedDocuments(4, 1)[0]), kByWords),
              std::vector<std::string>{"doc/4"});
    EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool).at("ok").get<bool>());
    EXPECT_FALSE(fs::exists(test.out() / "parts/000000"));
  }
}

}  // namespace
}  // namespace retro
