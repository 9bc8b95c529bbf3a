#include "index-builder/database_updater.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "index-builder/verify_index.h"
#include "tests/index-builder/updated_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;

IndexOptions Kept() {
  IndexOptions options = TestDatabase::Options();
  options.keep_embeddings = true;
  return options;
}

std::vector<UpdatedDocument> Without(std::vector<UpdatedDocument> documents, const std::string& source) {
  std::erase_if(documents, [&](const UpdatedDocument& document) { return document.source == source; });
  return documents;
}

TEST(DatabaseUpdater, ThreePartsAreOneIndexResultForResult) {
  for (const IndexOptions& options : {TestDatabase::Options(), Kept()}) {
    UpdatedDatabase test;
    test.BuildFrom(test.folder / "one", NumberedDocuments(0, 30), options);
    test.BuildFrom(test.out(), NumberedDocuments(0, 11), options);
    test.Add(NumberedDocuments(11, 7));
    const UpdateReport report = test.Add(NumberedDocuments(18, 12));
    EXPECT_EQ(report.parts, 3u);
    EXPECT_EQ(report.generation, 2u);
    const auto one = test.Open(test.folder / "one"), parts = test.Open();
    EXPECT_EQ(parts->chunks().num_chunks(), one->chunks().num_chunks());
    EXPECT_EQ(report.chunks, one->chunks().num_chunks());
    const auto expected = test.Search(*one, {.k = 9}), found = test.Search(*parts, {.k = 9});
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i].size(), 9u);
      for (size_t j = 0; j < 9; ++j) {
        EXPECT_EQ(found[i][j].chunk, expected[i][j].chunk);
        EXPECT_EQ(found[i][j].distance, expected[i][j].distance);
      }
    }
    EXPECT_EQ(test.SearchTexts(*parts, {.k = 200}), test.SearchTexts(*one, {.k = 200}));
  }
}

TEST(DatabaseUpdater, ChunksAndDocumentsOfAllPartsAreReadByNumber) {
  UpdatedDatabase test;
  test.BuildFrom(test.folder / "one", NumberedDocuments(0, 30));
  test.BuildFrom(test.out(), NumberedDocuments(0, 11));
  test.Add(NumberedDocuments(11, 19));
  const auto one = test.Open(test.folder / "one"), parts = test.Open();
  const uint64_t count = one->chunks().num_chunks();
  std::vector<ChunkRecord> expected, found;
  one->chunks().ReadRange({0}, count, expected);
  parts->chunks().ReadRange({0}, count, found);
  ASSERT_EQ(found.size(), expected.size());
  std::vector<ChunkId> ids;
  for (uint64_t i = 0; i < count; ++i) {
    EXPECT_EQ(found[i].tokens, expected[i].tokens);
    EXPECT_EQ(found[i].document, expected[i].document);
    EXPECT_EQ(found[i].position, expected[i].position);
    EXPECT_EQ(parts->chunks().Document(found[i].document).id, one->chunks().Document(expected[i].document).id);
    ids.push_back({(i * 7) % count});
  }
  const auto neighbours = [&](const ChunkReader& chunks) {
    std::vector<TokenId> tokens(ids.size() * 2 * chunks.chunk_len(), -1);
    std::vector<uint32_t> lengths(ids.size());
    chunks.GetNeighbours(ids, tokens, lengths);
    return std::pair(tokens, lengths);
  };
  EXPECT_EQ(neighbours(parts->chunks()), neighbours(one->chunks()));
  EXPECT_ERROR(parts->chunks().Get({count}), ErrorCode::kNotFound, "chunk");
  EXPECT_ERROR(parts->chunks().Document({30}), ErrorCode::kNotFound, "document 30");
  const auto opened = OpenChunks(test.out(), test.tokenizer.fingerprint());
  EXPECT_EQ(neighbours(*opened), neighbours(one->chunks()));
  EXPECT_ERROR(OpenChunks(test.out(), "other"), ErrorCode::kInvalidArgument, "other");
}

TEST(DatabaseUpdater, WhatIsRemovedIsNotFoundAndTheOthersAreFoundAsIfItHadNeverBeen) {
  UpdatedDatabase test;
  test.BuildFrom(test.folder / "rest", Without(NumberedDocuments(0, 30), "odd"));
  test.BuildFrom(test.out(), NumberedDocuments(0, 20));
  test.Add(NumberedDocuments(20, 10));
  const UpdateReport report = test.Remove({.ids = {}, .sources = {"odd"}});
  EXPECT_EQ(report.removed_documents, 15u);
  EXPECT_EQ(report.documents, 15u);
  const auto rest = test.Open(test.folder / "rest"), parts = test.Open();
  EXPECT_EQ(report.chunks, rest->chunks().num_chunks());
  EXPECT_EQ(parts->chunks().num_chunks() - parts->chunks().num_removed_chunks(), rest->chunks().num_chunks());
  for (const int k : {1, 5, 40, 1000}) {
    EXPECT_EQ(test.SearchTexts(*parts, {.k = k}), test.SearchTexts(*rest, {.k = k})) << k;
  }
  EXPECT_ERROR(test.Remove({.ids = {"doc/1"}, .sources = {"odd"}}), ErrorCode::kNotFound, "no document");
  EXPECT_EQ(test.Open()->generation(), 2u);
}

TEST(DatabaseUpdater, ANewVersionOfADocumentTakesThePlaceOfTheOldOne) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 20));
  const std::vector<UpdatedDocument> changed = NumberedDocuments(3, 4, /*seed=*/2);
  const UpdateReport report = test.Add(changed);
  EXPECT_EQ(report.replaced_documents, 4u);
  EXPECT_EQ(report.added_documents, 4u);
  EXPECT_EQ(report.documents, 20u);
  std::vector<UpdatedDocument> all = NumberedDocuments(0, 3), last = NumberedDocuments(7, 13);
  all.insert(all.end(), last.begin(), last.end());
  all.insert(all.end(), changed.begin(), changed.end());
  test.BuildFrom(test.folder / "fresh", all);
  EXPECT_EQ(test.SearchTexts(*test.Open(), {.k = 20}), test.SearchTexts(*test.Open(test.folder / "fresh"), {.k = 20}));
  EXPECT_EQ(test.Add(changed).replaced_documents, 4u);  // and once more, of the part that was added
  EXPECT_EQ(test.Open()->manifest().counts.at("documents"), 20);
}

TEST(DatabaseUpdater, CompactedItIsTheDatabaseThatABuildOfTheRestMakes) {
  IndexOptions coded = Kept();
  coded.factory = "IVF4,PQ16x4fs";
  for (const IndexOptions& options : {TestDatabase::Options(), Kept(), coded}) {
    UpdatedDatabase test;
    test.BuildFrom(test.out(), NumberedDocuments(0, 20), options);
    test.Add(NumberedDocuments(20, 10));
    test.Remove({.ids = {"doc/0", "doc/28"}, .sources = {"odd"}});
    const UpdateReport report = test.Compact();
    EXPECT_TRUE(report.changed);
    EXPECT_EQ(report.parts, 1u);
    EXPECT_EQ(report.parts_still_read, 0u);
    std::vector<UpdatedDocument> rest = Without(NumberedDocuments(0, 30), "odd");
    std::erase_if(rest,
                  [](const UpdatedDocument& document) { return document.id == "doc/0" || document.id == "doc/28"; });
    test.BuildFrom(test.folder / "fresh", rest, options);
    auto expected = Contents(test.folder / "fresh");
    std::erase_if(expected, [](const auto& entry) { return entry.first.starts_with("corpus/"); });
    EXPECT_EQ(Contents(test.out() / "parts/000002"), expected);
    EXPECT_FALSE(test.Compact().changed);
    EXPECT_EQ(test.Open()->generation(), 3u);
  }
}

TEST(DatabaseUpdater, ManySmallPartsBecomeFewAndHoldTheSame) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 20));
  const std::string first_part = ReadFile(test.out() / "manifest.json");
  size_t most_parts = 0;
  for (int i = 20; i < 60; ++i) {
    test.Add(NumberedDocuments(i, 1));
    if (i % 7 == 0) test.Add(NumberedDocuments(i - 3, 1));  // once more: the one before is removed
    const UpdateReport report = MergeSmallParts(test.out(), test.tokenizer, *test.embedder, {}, test.pool);
    most_parts = std::max<size_t>(most_parts, report.parts);
    if (i != 30) continue;
    EXPECT_EQ(ReadFile(test.out() / "parts/000000/manifest.json"), first_part) << "it is larger than the rest";
  }
  EXPECT_LE(most_parts, 12u);
  EXPECT_GE(most_parts, 7u);
  test.BuildFrom(test.folder / "fresh", NumberedDocuments(0, 60));
  EXPECT_EQ(test.Open()->manifest().counts.at("documents"), 60);
  EXPECT_EQ(test.SearchTexts(*test.Open(), {.k = 30}), test.SearchTexts(*test.Open(test.folder / "fresh"), {.k = 30}));
}

// Files that hold `bytes`.
std::vector<std::string> FilesWith(const fs::path& folder, const std::string& bytes) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && ReadFile(entry.path()).find(bytes) != std::string::npos) {
      files.push_back(fs::relative(entry.path(), folder));
    }
  }
  return files;
}

TEST(DatabaseUpdater, RemovedTextIsGoneFromEveryFileAfterCompact) {
  UpdatedDatabase test;
  std::vector<UpdatedDocument> documents = NumberedDocuments(0, 10);
  documents[4] = {"secret/4711", "secret source", "the codeword is xyzzyplugh and nobody may know"};
  test.BuildFrom(test.out(), documents);
  test.Add(NumberedDocuments(10, 5));
  std::string tokens;  // as the chunk store has them: 16 bits each
  for (const char letter : std::string("codeword")) tokens += {letter, '\0'};
  EXPECT_FALSE(FilesWith(test.out(), tokens).empty());
  EXPECT_FALSE(FilesWith(test.out(), "secret/4711").empty());
  test.Remove({.ids = {"secret/4711"}, .sources = {}});
  test.Compact();
  for (const std::string& bytes :
       {tokens, std::string("secret/4711"), std::string("secret source"), std::string("xyzzy")}) {
    EXPECT_EQ(FilesWith(test.out(), bytes), std::vector<std::string>()) << bytes;
  }
  tokens.clear();
  for (const char letter : NumberedDocuments(12, 1)[0].text.substr(0, 8)) tokens += {letter, '\0'};
  EXPECT_FALSE(FilesWith(test.out(), tokens).empty());
}

TEST(DatabaseUpdater, AReaderKeepsItsGenerationAndMayAskForTheNewOne) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 20));
  const auto built = test.Open();
  const auto as_built = test.SearchTexts(*built, {.k = 50});
  EXPECT_FALSE(built->HasNewer());
  test.Add(NumberedDocuments(20, 10));
  EXPECT_TRUE(built->HasNewer());
  const auto added = built->OpenNewer();
  EXPECT_EQ(added->generation(), 1u);
  EXPECT_FALSE(added->HasNewer());
  const auto with_added = test.SearchTexts(*added, {.k = 50});
  EXPECT_NE(with_added, as_built);
  EXPECT_EQ(with_added, test.SearchTexts(*test.Open(), {.k = 50}));
  test.Remove({.ids = {}, .sources = {"even"}});
  EXPECT_EQ(test.Compact().parts_still_read, 2u);
  EXPECT_EQ(test.SearchTexts(*built, {.k = 50}), as_built);
  EXPECT_EQ(test.SearchTexts(*added, {.k = 50}), with_added);
  EXPECT_EQ(test.SearchTexts(*built->OpenNewer(), {.k = 50}), test.SearchTexts(*test.Open(), {.k = 50}));
}

TEST(DatabaseUpdater, FilesOfOldGenerationsGoWhenTheirLastReaderHasGone) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 20));
  auto reader = test.Open();
  test.Add(NumberedDocuments(20, 10));
  test.Compact();
  EXPECT_TRUE(fs::exists(test.out() / "parts/000000/vectors.index"));
  EXPECT_FALSE(fs::exists(test.out() / "parts/000001"));
  EXPECT_FALSE(fs::exists(test.out() / "vectors.index"));
  reader.reset();
  EXPECT_EQ(test.Compact().parts_still_read, 0u);
  EXPECT_EQ(test.Names(),
            (std::set<std::string>{"lock", "manifest.json", "parts", "parts/000002", "parts/000002/chunks",
                                   "parts/000002/manifest.json", "parts/000002/vectors.index"}));
}

TEST(DatabaseUpdater, ASearchMayBeLimitedToSourcesAndStillFindsK) {
  UpdatedDatabase test;
  test.BuildFrom(test.folder / "odd", Without(NumberedDocuments(0, 30), "even"));
  test.BuildFrom(test.out(), NumberedDocuments(0, 20));
  test.Add(NumberedDocuments(20, 10));
  const auto odd = test.Open(test.folder / "odd"), parts = test.Open();
  for (const int k : {1, 6, 500}) {
    SearchOptions options{.k = k};
    options.filter.sources = {"odd", "nothing has this"};
    EXPECT_EQ(test.SearchTexts(*parts, options), test.SearchTexts(*odd, {.k = k})) << k;
  }
  SearchOptions none{.k = 3};
  none.filter.licences = {"CC0"};
  EXPECT_TRUE(test.SearchTexts(*parts, none)[0].empty());
}

TEST(DatabaseUpdater, ASearchMayBeLimitedToDocumentsAndDates) {
  UpdatedDatabase test;
  std::vector<UpdatedDocument> documents = NumberedDocuments(0, 30), wanted;
  for (size_t i = 0; i < documents.size(); ++i) {
    documents[i].date = fmt::format("2024-{:02}", 1 + i % 12);
    if (i % 12 >= 4 && i % 12 < 6 && i != 5) wanted.push_back(documents[i]);
  }
  test.BuildFrom(test.folder / "wanted", wanted, Kept());
  test.BuildFrom(test.out(), {documents.begin(), documents.begin() + 20}, Kept());
  test.Add({documents.begin() + 20, documents.end()});
  SearchOptions options;
  options.filter.date_from = "2024-05";
  options.filter.date_to = "2024-06-30";
  for (const UpdatedDocument& document : documents) {
    if (document.id != "doc/5") options.filter.documents.push_back(document.id);
  }
  const auto all = test.Open(), only = test.Open(test.folder / "wanted");
  for (const int k : {500, 8, 2}) {
    options.k = k;
    EXPECT_EQ(test.SearchTexts(*all, options), test.SearchTexts(*only, {.k = k})) << k;
  }
  const Neighbour first = test.Search(*all, options)[0][0];
  EXPECT_TRUE(all->GetPassage(first, false).document.date.starts_with("2024-0"));
  options.filter.date_from = "spring";
  EXPECT_ERROR(test.Search(*all, options), ErrorCode::kInvalidArgument, "spring");
}

TEST(DatabaseUpdater, DocumentsInMemoryAreAddedAsThoseOfAFile) {
  UpdatedDatabase test, other;
  std::vector<Document> documents;
  for (const UpdatedDocument& document : NumberedDocuments(7, 8)) {
    documents.push_back({.id = document.id,
                         .title = "",
                         .text = document.text,
                         .source = document.source,
                         .url = "",
                         .licence = "",
                         .date = ""});
  }
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  other.BuildFrom(other.out(), NumberedDocuments(0, 10));
  UpdateOptions killed;
  killed.on_step = [](std::string_view step) {
    if (step == "index") Throw(ErrorCode::kInternal, "killed");
  };
  const std::span<const Document> others = std::span(documents).first(2);
  EXPECT_ERROR(AddDocuments(test.out(), others, test.tokenizer, *test.embedder, killed, test.pool),
               ErrorCode::kInternal, "killed");
  const UpdateReport report = AddDocuments(test.out(), documents, test.tokenizer, *test.embedder, {}, test.pool);
  EXPECT_EQ(report.added_documents, 8u);
  EXPECT_EQ(report.replaced_documents, 3u);
  other.Add(NumberedDocuments(7, 8));
  EXPECT_EQ(test.SearchTexts(*test.Open(), {.k = 100}), other.SearchTexts(*other.Open(), {.k = 100}));
  EXPECT_EQ(test.Names(), other.Names());
}

TEST(DatabaseUpdater, ASearchThroughListsGrowsUntilEnoughPass) {
  UpdatedDatabase test;
  IndexOptions coded = Kept();
  coded.factory = "IVF4,PQ16x4fs";
  test.BuildFrom(test.out(), NumberedDocuments(0, 30), coded);
  test.Remove({.ids = {}, .sources = {"even"}});
  const auto database = test.Open();
  const uint64_t left = database->chunks().num_chunks() - database->chunks().num_removed_chunks();
  for (const auto& row : test.Search(*database, {.k = static_cast<int>(left) + 5, .nprobe = 1})) {
    EXPECT_EQ(row.size(), left);
  }
}

TEST(DatabaseUpdater, OneChangeAtATime) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  UpdateOptions options;
  size_t refused = 0;
  options.on_step = [&](std::string_view step) {
    EXPECT_ERROR(test.Remove({.ids = {"doc/1"}, .sources = {}}), ErrorCode::kUnavailable, "lock");
    ++refused;
    if (step != "chunks") return;
    EXPECT_ERROR(test.BuildFrom(test.out(), NumberedDocuments(0, 5)), ErrorCode::kUnavailable, "lock");
  };
  test.Add(NumberedDocuments(10, 5), options);
  EXPECT_GT(refused, 5u);
  EXPECT_ERROR(test.BuildFrom(test.out(), NumberedDocuments(0, 5)), ErrorCode::kInvalidArgument, "generation 1");
  EXPECT_EQ(test.Remove({.ids = {"doc/1"}, .sources = {}}).removed_documents, 1u);
}

TEST(DatabaseUpdater, RefusesWhatDoesNotFit) {
  UpdatedDatabase test;
  EXPECT_ERROR(test.Add(NumberedDocuments(0, 3)), ErrorCode::kNotFound, "manifest.json");
  EXPECT_FALSE(fs::exists(test.out()));
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  const auto names = test.Names();
  const auto other = MakeHashingEmbedder(5);
  EXPECT_ERROR(AddDocuments(test.out(), {test.Write("add.jsonl", NumberedDocuments(10, 2))}, test.tokenizer, *other, {},
                            test.pool),
               ErrorCode::kInvalidArgument, "another embedder");
  EXPECT_ERROR(test.Add({{"doc/1", "even", "   "}}), ErrorCode::kInvalidArgument, "no document");
  test.Remove({.ids = {}, .sources = {"even"}});
  test.Remove({.ids = {}, .sources = {"odd"}});
  EXPECT_TRUE(test.SearchTexts(*test.Open(), {.k = 3})[0].empty());
  EXPECT_ERROR(test.Compact(), ErrorCode::kInvalidArgument, "every document");
  EXPECT_EQ(test.Add(NumberedDocuments(0, 3)).documents, 3u);
}

TEST(DatabaseUpdater, ADamagedGenerationIsRefused) {
  UpdatedDatabase test;
  test.BuildFrom(test.out(), NumberedDocuments(0, 10));
  test.Add(NumberedDocuments(10, 5));
  test.Remove({.ids = {"doc/3"}, .sources = {}});
  for (const auto& entry : fs::recursive_directory_iterator(test.out())) {
    if (!entry.is_regular_file() || entry.file_size() == 0 ||
        entry.path().string().find("/corpus") != std::string::npos) {
      continue;
    }
    const std::string good = ReadFile(entry.path());
    std::string bad = good;
    bad[bad.size() / 3] ^= 16;
    WriteText(entry.path(), bad);
    SCOPED_TRACE(entry.path());
    EXPECT_ERROR(test.Open(), ErrorCode::kCorruption, "");
    WriteText(entry.path(), good);
  }
  test.Open();
}

}  // namespace
}  // namespace retro
