#include "index-builder/index_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/staged_folder.h"
#include "index-builder/verify_index.h"
#include "model/load_tokenizer.h"
#include "retriever/retrieval_database.h"
#include "tests/index-builder/test_database.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const IndexOptions kQuantized{.chunk_len = 16, .factory = "IVF16,PQ16x4fs", .block_chunks = 128};

TEST(IndexBuilder, DocumentsBecomeADatabaseThatFindsThem) {
  TestDatabase test;
  const Manifest manifest = test.Build();
  const auto tokenizer = std::make_shared<ByteTokenizer>();
  const RetrievalDatabase database(test.out(), test.embedder, tokenizer);
  const ChunkRecord chunk = database.chunks().Get({17});
  const auto passages = database.SearchPassages(tokenizer->Decode(chunk.tokens), {.k = 3}, false, test.pool);
  ASSERT_EQ(passages.size(), 3u);
  EXPECT_EQ(passages[0].chunk, ChunkId{17});
  EXPECT_NEAR(passages[0].score, 1, 1e-3);
  EXPECT_EQ(passages[0].document.title, database.chunks().Document(chunk.document).title);
  EXPECT_EQ(manifest.counts["documents"], 10);
  EXPECT_EQ(manifest.counts["chunks"], database.chunks().num_chunks());
  EXPECT_EQ(manifest.counts["index"]["factory"], "Flat");
  EXPECT_FALSE(fs::exists(test.out() / "embeddings"));
  EXPECT_FALSE(fs::exists(test.out() / "state"));
  EXPECT_FALSE(fs::exists(test.staging()));
}

TEST(IndexBuilder, ACorpusFolderMakesTheSameDatabaseAsItsDocuments) {
  TestDatabase test;
  test.Build();
  BuildCorpus({test.input()}, test.tokenizer, test.folder / "corpus", {}, test.pool);
  BuildIndex({test.folder / "corpus"}, test.tokenizer, *test.embedder, test.folder / "other", TestDatabase::Options(),
             test.pool);
  auto from_documents = Contents(test.out()), from_corpus = Contents(test.folder / "other");
  std::erase_if(from_documents, [](const auto& entry) { return entry.first.starts_with("corpus/"); });
  EXPECT_EQ(from_documents, from_corpus);
}

TEST(IndexBuilder, TheSameBuildAgainDoesNothing) {
  TestDatabase test;
  test.Build();
  WriteText(test.out() / "note", "still here");
  IndexOptions again = TestDatabase::Options();
  int steps = 0;
  again.on_step = [&](std::string_view) { ++steps; };
  again.memory_bytes = 1 << 20;  // changes no byte
  test.Build(again);
  EXPECT_EQ(steps, 0);
  EXPECT_EQ(ReadText(test.out() / "note"), "still here");
}

TEST(IndexBuilder, AnotherInputOptionOrEmbedderIsAnotherDatabase) {
  TestDatabase test;
  test.Build();
  IndexOptions options = TestDatabase::Options();
  options.chunk_len = 24;
  EXPECT_EQ(test.Build(options).fingerprints["chunk_len"], 24);
  const std::string before = test.Build(options).fingerprints["embedder"];
  test.embedder = MakeHashingEmbedder(7);
  EXPECT_NE(test.Build(options).fingerprints["embedder"], before);
  WriteText(test.input(), RandomDocuments(11, 20));
  EXPECT_EQ(test.Build(options).counts["documents"], 11);
}

TEST(IndexBuilder, AFailedBuildLeavesTheOldDatabaseWhole) {
  TestDatabase test;
  test.Build();
  const auto before = Contents(test.out());
  IndexOptions impossible = TestDatabase::Options();
  impossible.factory = "IVF0,Nonsense";
  EXPECT_ERROR(test.Build(impossible), ErrorCode::kInvalidArgument, "Nonsense");
  EXPECT_EQ(Contents(test.out()), before);
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool)["ok"]);
}

TEST(IndexBuilder, AFolderThatAnotherProcessBuildsIsRefused) {
  TestDatabase test;
  const StagedFolder other(test.out(), StagedFolder::Unpublished::kRemove);
  EXPECT_ERROR(test.Build(), ErrorCode::kUnavailable, "db.building");
}

TEST(IndexBuilder, ACorpusOfAnotherTokenizerIsRefused) {
  TestDatabase test;
  BuildCorpus({test.input()}, ByteTokenizer(300), test.folder / "corpus", {}, test.pool);
  EXPECT_ERROR(BuildIndex({test.folder / "corpus"}, test.tokenizer, *test.embedder, test.out(), {}, test.pool),
               ErrorCode::kInvalidArgument, "another tokenizer");
}

TEST(IndexBuilder, AnEmptyCorpusAndImpossibleOptionsAreRefused) {
  TestDatabase test;
  EXPECT_ERROR(test.Build({.chunk_len = 0}), ErrorCode::kInvalidArgument, "chunk_len");
  EXPECT_ERROR(test.Build({.block_chunks = 0}), ErrorCode::kInvalidArgument, "block_chunks");
  EXPECT_ERROR(test.Build({.target_recall = 1.5}), ErrorCode::kInvalidArgument, "target_recall");
  WriteText(test.input(), "{\"text\": \"\"}\n");
  EXPECT_ERROR(test.Build(), ErrorCode::kInvalidArgument, "no document with text");
}

TEST(IndexBuilder, AQuantizedIndexKeepsEmbeddingsAndReachesItsRecall) {
  TestDatabase test(60, 40);
  const Manifest manifest = test.Build(kQuantized);
  const nlohmann::json& index = manifest.counts["index"];
  EXPECT_TRUE(fs::exists(test.out() / "embeddings/block-00000.embeddings"));
  EXPECT_TRUE(manifest.files.contains("embeddings/block-00000.embeddings"));
  EXPECT_GE(index["recall_at_10"], 0.95);
  EXPECT_GE(index["nprobe"], 1);
  EXPECT_GE(index["rerank_factor"], 1);
  EXPECT_EQ(index["recall_curve"].size(), 5u * 7u);  // nprobe 1 to 16, rerank_factor 1 to 64
  EXPECT_TRUE(VerifyIndex(test.out(), test.tokenizer, *test.embedder, {}, test.pool)["ok"]);
}

TEST(IndexBuilder, WithoutEmbeddingsAQuantizedIndexIsMeasuredWithoutThem) {
  TestDatabase test(60, 40);
  IndexOptions options = kQuantized;
  options.keep_embeddings = false;
  const Manifest manifest = test.Build(options);
  EXPECT_FALSE(fs::exists(test.out() / "embeddings"));
  EXPECT_EQ(manifest.counts["index"]["recall_curve"].size(), 5u);
  EXPECT_LT(manifest.counts["index"]["recall_at_10"], 0.95);
}

TEST(IndexBuilder, TitlesAreEmbeddedWhenAsked) {
  TestDatabase test;
  IndexOptions options = TestDatabase::Options();
  options.keep_embeddings = true;
  test.Build(test.folder / "plain", options);
  options.embed_title = true;
  test.Build(test.folder / "titled", options);
  const std::string block = "embeddings/block-00000.embeddings";
  EXPECT_NE(ReadText(test.folder / "plain" / block), ReadText(test.folder / "titled" / block));
  EXPECT_TRUE(VerifyIndex(test.folder / "titled", test.tokenizer, *test.embedder, {}, test.pool)["ok"]);
}

TEST(IndexBuilder, TheRealEncoderFindsAnArticleByAQuestion) {
  const fs::path models = fs::path(RETRO_DEPS_DIR) / "models";
  const auto embedder = std::make_shared<Embedder>(models / "all-MiniLM-L6-v2");
  const std::shared_ptr<Tokenizer> tokenizer =
      LoadTokenizer(models / "SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  TestDatabase test;
  const auto reader = OpenDocuments({fs::path(RETRO_SOURCE_DIR) / "datasets/samples/wiki_vital_en.jsonl.gz"});
  std::string lines;
  Document document;
  for (int i = 0; i < 8 && reader->Next(document); ++i) {
    lines += nlohmann::json{{"id", document.id}, {"title", document.title}, {"text", document.text}}.dump() + "\n";
  }
  WriteText(test.input(), lines);
  BuildIndex({test.input()}, *tokenizer, *embedder, test.out(), {}, test.pool);
  const RetrievalDatabase database(test.out(), embedder, tokenizer);
  const auto passages =
      database.SearchPassages("Which painting did Georges Seurat make from 1884 to 1886?", {.k = 1}, false, test.pool);
  ASSERT_EQ(passages.size(), 1u);
  EXPECT_THAT(passages[0].document.title, HasSubstr("Grande Jatte"));
}

}  // namespace
}  // namespace retro
